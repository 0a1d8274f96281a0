import { join } from "node:path";
import type { Api } from "../../src/api/access-control.ts";
import type { ApiDeps } from "../../src/api/api-deps.ts";
import { buildApi } from "../../src/api/app.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { loadModules } from "../../src/modules/load-modules.ts";
import type { Tier, TierRules } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture, silentLog } from "../storage-fixture.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read members of answers they have just described.
  readonly body: any;
}

export type Caller = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

export interface TenantCaller {
  readonly id: string;
  readonly slug: string;
  readonly key: string;
  /** Calls with the tenant's owner key. */
  readonly call: Caller;
}

export interface ApiFixture {
  readonly storage: StorageFixture;
  readonly deps: ApiDeps;
  readonly app: Api;
  readonly admin: Caller;
  /** Calls with any Authorization header's token, or none. */
  withToken(token: string | undefined): Caller;
  newTenant(slug: string, tier?: Tier): Promise<TenantCaller>;
  close(): Promise<void>;
}

const ADMIN_TOKEN = "admin-token-of-this-test";

const MODULES_FOLDER = join(import.meta.dirname, "..", "..", "config", "modules");

const ROLLUP_DAYS = { rollups5mDays: 400, rollups1hDays: 1_100 };

export const TIERS: Readonly<Record<Tier, TierRules>> = {
  free: {
    weight: 1,
    routersMax: 10,
    intervalSecondsMin: 300,
    retentionDays: 30,
    ...ROLLUP_DAYS,
    admission: "refuse",
  },
  professional: {
    weight: 2,
    routersMax: 100,
    intervalSecondsMin: 60,
    retentionDays: 90,
    ...ROLLUP_DAYS,
    admission: "refuse",
  },
  business: {
    weight: 4,
    routersMax: 1_000,
    intervalSecondsMin: 30,
    retentionDays: 365,
    ...ROLLUP_DAYS,
    admission: "warn",
  },
  enterprise: {
    weight: 8,
    routersMax: 5_000,
    intervalSecondsMin: 10,
    retentionDays: 730,
    ...ROLLUP_DAYS,
    admission: "warn",
  },
  msp: {
    weight: 16,
    routersMax: 10_000,
    intervalSecondsMin: 10,
    retentionDays: 730,
    ...ROLLUP_DAYS,
    admission: "warn",
  },
};

/** The API over a migrated database of its own; requests are injected, nothing listens. */
export async function openApiFixture(
  databaseUrl: string,
  changes: Partial<ApiDeps> = {},
): Promise<ApiFixture> {
  const storage = await openStorageFixture(databaseUrl);
  const deps: ApiDeps = {
    pools: { app: storage.app, platform: storage.platform },
    masterKey: Buffer.from(storage.masterKey),
    adminToken: ADMIN_TOKEN,
    tiers: TIERS,
    modules: await loadModules(MODULES_FOLDER),
    targetGuard: { allowLoopback: false, ownAddresses: [], allow: [] },
    reachability: { failuresMax: 3, probeSpacingMsMax: 900_000 },
    discoverySeconds: 900,
    platformMetrics: async () => ({ contentType: "text/plain", body: "" }),
    readinessChecks: {},
    log: silentLog,
    clock: systemClock,
    version: "0.0.0",
    ...changes,
  };
  const app = buildApi(deps);
  const withToken = (token: string | undefined) => callerOf(app, token);
  const admin = withToken(ADMIN_TOKEN);
  return {
    storage,
    deps,
    app,
    admin,
    withToken,
    newTenant: async (slug, tier = "professional") => {
      const tenant = await admin("POST", "/v1/tenants", { name: `The ${slug}`, slug, tier });
      const made = await admin("POST", `/v1/tenants/${tenant.body.id}/api-keys`, {
        name: "owner",
        role: "owner",
      });
      const { key } = made.body;
      return { id: tenant.body.id, slug, key, call: withToken(key) };
    },
    close: async () => {
      await app.close();
      await storage.close();
    },
  };
}

function callerOf(app: Api, token: string | undefined): Caller {
  return async (method, path, body, headers = {}) => {
    const answer = await app.inject({
      method: method as "GET", // Any method: Fastify's type lists those it was written with.
      url: path,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const isJson = String(answer.headers["content-type"]).includes("json");
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      body: isJson ? answer.json() : undefined,
    };
  };
}

/** A router body that is fine; each call another address and name. */
export function routerBodies(credentialId: string): (changes?: object) => Record<string, unknown> {
  let count = 0;
  return (changes = {}) => {
    const n = ++count;
    return {
      name: `router ${n}`,
      address: `192.0.2.${n}`,
      credentialId,
      intervalSeconds: 300,
      ...changes,
    };
  };
}

export async function newCredential(call: Caller, name = "core"): Promise<string> {
  const answer = await call("POST", "/v1/credentials", {
    name,
    version: "2c",
    community: "not-public",
  });
  return answer.body.id;
}
