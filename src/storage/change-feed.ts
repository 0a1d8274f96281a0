import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../lib/log.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { openWatchedConnection, type WatchedConnection } from "./watched-connection.ts";

/**
 * Hears of what tenants change (routers, credentials, the tenant itself), so that schedulers and workers need not ask.
 * The triggers of migration 0006 send one notification a tenant and statement.
 */

export interface ChangeListener {
  readonly onTenant: (tenantId: TenantId) => void;
  /** Listening has begun, at first or anew: changes made before may have gone unheard, so read everything again. */
  readonly onReconnect: () => void;
  readonly log: Pick<Log, "warn" | "info">;
}

const CHANNEL = "fairwalk_changes";

const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 5_000;

/** Listens until stopped; a lost connection is made anew for as long as it takes. Never rejects. */
export function followChanges(url: string, listener: ChangeListener): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const following = follow(url, listener, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await following;
    },
  };
}

async function follow(url: string, listener: ChangeListener, stopping: AbortSignal): Promise<void> {
  let failures = 0;
  while (!stopping.aborted) {
    try {
      const connection = await listen(url, listener);
      failures = 0;
      listener.onReconnect();
      await aborted(AbortSignal.any([connection.lost, stopping]));
      await connection.close();
      if (!stopping.aborted) listener.log.warn({}, "change feed lost, connecting anew");
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (failures === 0)
        listener.log.warn({ error: message }, "change feed cannot connect, trying again");
      failures++;
      const delayMs = Math.min(RETRY_DELAY_MS_MIN * 2 ** failures, RETRY_DELAY_MS_MAX);
      await delay(delayMs, undefined, { signal: stopping }).catch(() => undefined);
    }
  }
}

async function listen(url: string, listener: ChangeListener): Promise<WatchedConnection> {
  const connection = await openWatchedConnection(
    url,
    "fairwalk change feed",
    ({ channel, payload }) => {
      // The triggers send a tenant's id and nothing else.
      if (channel === CHANNEL && payload !== undefined) listener.onTenant(payload as TenantId);
    },
  );
  try {
    await connection.query(`listen ${CHANNEL}`);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
