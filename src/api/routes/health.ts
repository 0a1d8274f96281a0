import { Type } from "typebox";
import type { Log } from "../../lib/log.ts";
import type { Api } from "../access-control.ts";

/** Resolves when what it checks works; rejects with why it does not. */
export type ReadinessCheck = () => Promise<void>;

export interface HealthDeps {
  readonly readinessChecks: Readonly<Record<string, ReadinessCheck>>;
  /** Whether the process works, but not as it should: samples wait on its disk. */
  readonly isDegraded?: () => Promise<boolean>;
  readonly log: Log;
  readonly isDraining: () => boolean;
}

/** A probe waits no longer for one check: most orchestrators give up on a probe after a few seconds. */
const CHECK_TIMEOUT_MS = 2_000;

const LIVE = Type.Object({ status: Type.Literal("ok") });
const READY = Type.Object({
  status: Type.String({ enum: ["ok", "degraded", "unavailable", "stopping"] }),
  checks: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Object({ status: Type.String({ enum: ["ok", "failed"] }), ms: Type.Integer() }),
    ),
  ),
});

/**
 * /livez says that the process turns, and looks at nothing else: a lost database must not have it restarted.
 * /readyz says whether to send requests here. Reasons of failed checks are logged, not shown: anyone may ask.
 */
export function healthRoutes(app: Api, deps: HealthDeps): void {
  app.get(
    "/livez",
    {
      config: { access: "anyone" },
      schema: {
        operationId: "livez",
        summary: "Whether the process is alive",
        tags: ["platform"],
        response: { 200: LIVE },
      },
    },
    async () => ({ status: "ok" as const }),
  );

  app.get(
    "/readyz",
    {
      config: { access: "anyone" },
      schema: {
        operationId: "readyz",
        summary: "Whether the process can answer requests",
        tags: ["platform"],
        querystring: Type.Object(
          { verbose: Type.Optional(Type.String({ description: "Present = list each check" })) },
          { additionalProperties: false },
        ),
        response: { 200: READY, 503: READY },
      },
    },
    async (request, reply) => {
      const results = await runChecks(deps);
      const isReady = results.every(([, it]) => it.status === "ok");
      const status = deps.isDraining()
        ? "stopping"
        : !isReady
          ? "unavailable"
          : (await deps.isDegraded?.())
            ? "degraded"
            : "ok";
      const isVerbose = request.query.verbose !== undefined && request.query.verbose !== "false";
      return reply
        .code(status === "ok" || status === "degraded" ? 200 : 503)
        .header("cache-control", "no-store")
        .send({ status, ...(isVerbose ? { checks: Object.fromEntries(results) } : {}) });
    },
  );
}

type CheckResult = { readonly status: "ok" | "failed"; readonly ms: number };

async function runChecks(deps: HealthDeps): Promise<[string, CheckResult][]> {
  return Promise.all(
    Object.entries(deps.readinessChecks).map(
      async ([name, check]): Promise<[string, CheckResult]> => {
        const startedAt = performance.now();
        const result = (status: "ok" | "failed"): [string, CheckResult] => [
          name,
          { status, ms: Math.round(performance.now() - startedAt) },
        ];
        try {
          await withinTime(check(), CHECK_TIMEOUT_MS);
          return result("ok");
        } catch (error) {
          deps.log.warn({ check: name, err: error }, "readiness check failed");
          return result("failed");
        }
      },
    ),
  );
}

async function withinTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([work, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
