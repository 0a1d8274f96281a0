import { AssemblyMemory } from "../modules/assemble.ts";
import { type CollectionPlan, collectionPlan } from "../modules/collection-plan.ts";
import { parseModules } from "../modules/parse-modules.ts";
import { openSession } from "../snmp/session.ts";
import { openTransport } from "../snmp/transport.ts";
import { type PlannedModule, pollRouter } from "../worker/poll-router.ts";
import { CREDENTIALS } from "./snmp-credentials.ts";
import { type Lanes, openLanes } from "./snmp-lanes.ts";
import type { PollOptions } from "./snmp-parts.ts";
import { benchModules, varbindsOf } from "./snmp-workload.ts";

/** As the configuration has it by default. */
const LIMITS = {
  pollMs: 30_000,
  timeoutMs: 2_000,
  retries: 2,
  tableRowsMax: 50_000,
  pollValuesMax: 1_000_000,
  pollBytesMax: 33_554_432,
};

/** The product's own path from a router's address to typed samples: what the worker does between job and commit. */
export async function openOurs(options: PollOptions): Promise<Lanes> {
  const transport = await openTransport();
  const modules: PlannedModule[] = [...parseModules(benchModules(), "bench").values()].map(
    (module) => {
      const plan = collectionPlan(module);
      return { module, plan: options.readsNamesAlways ? readingNamesAlways(plan) : plan };
    },
  );
  const memories = options.routers.map(
    () => new Map(modules.map(({ module }) => [module.name, new AssemblyMemory()])),
  );
  const credential = CREDENTIALS[options.version];
  return openLanes(options, async ({ address, port }, place) => {
    const target = { address, port, context: "", credential, usmKey: `bench/${address}/${port}` };
    const session = openSession(transport, target, {
      deadlineMs: Date.now() + LIMITS.pollMs,
      timeoutMs: LIMITS.timeoutMs,
      retries: LIMITS.retries,
      mayStillSend: () => true,
    });
    const memoryOf = ({ name }: { readonly name: string }): AssemblyMemory =>
      memories[place]?.get(name) ?? new AssemblyMemory();
    const { outcome, blocks, texts } = await pollRouter(session, modules, LIMITS, memoryOf);
    return outcome === "answered" && countValues(blocks) + texts.length === samplesOf(options);
  });
}

/** The product reads names again only when something says that they changed; the others here read them every time. */
function readingNamesAlways(plan: CollectionPlan): CollectionPlan {
  return { ...plan, tables: plan.tables.map((table) => ({ ...table, lastingColumns: [] })) };
}

function countValues(blocks: readonly { readonly present: Uint8Array }[]): number {
  let values = 0;
  for (const { present } of blocks) values += present.length;
  return values;
}

/** Three columns of every interface are labels, not samples. */
function samplesOf({ interfaces }: PollOptions): number {
  return varbindsOf(interfaces) - 3 * interfaces;
}
