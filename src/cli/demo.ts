import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/load.ts";
import type { Log } from "../lib/log.ts";
import { type Simulator, startSimulator } from "../simulator/start-simulator.ts";
import type { Tier } from "../tenants/tenant.ts";
import { publishJson } from "./platform.ts";

/**
 * The demo: three ISPs of different tiers whose routers are simulated on loopback, registered through the API as a
 * customer would. What was made is kept in `demo.json`, so that the next start serves the same routers again.
 */

const DEMO_TENANTS = [
  { slug: "metro-fibre", name: "Metro Fibre", tier: "business", routers: 40, intervalSeconds: 10 },
  {
    slug: "valley-net",
    name: "Valley Net",
    tier: "professional",
    routers: 20,
    intervalSeconds: 30,
  },
  { slug: "harbour-wifi", name: "Harbour WiFi", tier: "free", routers: 8, intervalSeconds: 60 },
] as const satisfies readonly {
  slug: string;
  name: string;
  tier: Tier;
  routers: number;
  intervalSeconds: number;
}[];

const DEMO_ROUTERS = DEMO_TENANTS.reduce((sum, { routers }) => sum + routers, 0);
const DEMO_INTERFACES = 24;
const DEMO_COMMUNITY = "fairwalk-demo";

export interface DemoTenant {
  readonly slug: string;
  readonly tier: Tier;
  readonly apiKey: string;
}

interface DemoRecord {
  readonly tenants: readonly DemoTenant[];
  readonly portBase: number;
}

export interface Demo {
  readonly tenants: readonly DemoTenant[];
  stop(): Promise<void>;
}

/**
 * Starts the demo network, and registers its tenants while the platform has none. Undefined when the platform is in real
 * use: it has tenants, and none of them are the demo's.
 */
export async function startDemo(
  config: Config,
  api: { readonly url: string; readonly adminToken: string },
  log: Log,
): Promise<Demo | undefined> {
  const call = caller(api);
  const recorded = await readRecord(config);
  if (recorded !== undefined) {
    const network = await serveAgain(recorded.portBase, log);
    return { tenants: recorded.tenants, stop: () => network.stop() };
  }
  const { items } = await call<{ items: unknown[] }>("GET", "/v1/tenants?limit=1");
  if (items.length > 0) return undefined;

  const { portBase, network } = await serveSomewhere();
  const tenants: DemoTenant[] = [];
  let port = portBase;
  for (const { slug, name, tier, routers, intervalSeconds } of DEMO_TENANTS) {
    const tenant = await call<{ id: string }>("POST", "/v1/tenants", { name, slug, tier });
    const { key } = await call<{ key: string }>("POST", `/v1/tenants/${tenant.id}/api-keys`, {
      name: "demo",
      role: "owner",
    });
    const asTenant = caller({ url: api.url, adminToken: key });
    await asTenant("POST", "/v1/credentials", {
      name: "demo",
      version: "2c",
      community: DEMO_COMMUNITY,
    });
    await asTenant("POST", "/v1/routers/import", {
      routers: Array.from({ length: routers }, (_, i) => ({
        name: `${slug}-${String(i + 1).padStart(2, "0")}`,
        address: "127.0.0.1",
        port: port + i,
        credential: "demo",
        intervalSeconds,
      })),
    });
    port += routers;
    tenants.push({ slug, tier, apiKey: key });
  }
  await publishJson(config, "demo.json", { tenants, portBase } satisfies DemoRecord);
  return { tenants, stop: () => network.stop() };
}

function startNetwork(portBase: number): Promise<Simulator> {
  return startSimulator({
    generate: DEMO_ROUTERS,
    interfaces: DEMO_INTERFACES,
    portBase,
    live: true,
    community: DEMO_COMMUNITY,
  });
}

/** Serves the routers registered earlier; where their ports are taken the rest of the platform runs all the same. */
async function serveAgain(portBase: number, log: Log): Promise<{ stop(): Promise<void> }> {
  try {
    return await startNetwork(portBase);
  } catch (error) {
    log.error(
      { error: (error as Error).message },
      `demo routers not served: free UDP ports ${portBase} to ${portBase + DEMO_ROUTERS - 1} and start again`,
    );
    return { stop: async () => undefined };
  }
}

async function readRecord(config: Config): Promise<DemoRecord | undefined> {
  const file = join(config.dataDir, "demo.json");
  if (!existsSync(file)) return undefined;
  return JSON.parse(await readFile(file, "utf8")) as DemoRecord;
}

/** Below the ports systems hand out by themselves, above the ones services have by custom. */
const PORT_MIN = 10_000;
const PORT_MAX = 30_000;
const PORT_TRIES_MAX = 20;

/** Starts the network on the first free range of ports it finds. */
async function serveSomewhere(): Promise<{
  readonly portBase: number;
  readonly network: Simulator;
}> {
  for (let tries = 1; ; tries++) {
    const portBase = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN - DEMO_ROUTERS));
    try {
      return { portBase, network: await startNetwork(portBase) };
    } catch (error) {
      if (tries === PORT_TRIES_MAX) throw error;
    }
  }
}

function caller({ url, adminToken }: { readonly url: string; readonly adminToken: string }) {
  return async <T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) {
      throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    }
    return (await response.json()) as T;
  };
}
