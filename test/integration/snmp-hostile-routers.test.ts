import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AssemblyMemory } from "../../src/modules/assemble.ts";
import { collectionPlan } from "../../src/modules/collection-plan.ts";
import { loadModules } from "../../src/modules/load-modules.ts";
import { HOSTILE_MODES } from "../../src/simulator/hostile.ts";
import { openSession } from "../../src/snmp/session.ts";
import { openTransport, type Transport } from "../../src/snmp/transport.ts";
import { type PlannedModule, pollRouter } from "../../src/worker/poll-router.ts";
import {
  type SimulatedNetwork,
  type SimulatedRouter,
  startSimulatedNetwork,
} from "../simulated-network.ts";

/**
 * 500 healthy routers are polled when they are due, first alone, then while routers of every hostile mode are polled
 * over and over through the same transport. What is compared is how late the healthy polls start and end. The routers
 * are processes of their own, so that what they cost delays nobody.
 */

const HEALTHY = 500;
const MODES = Object.keys(HOSTILE_MODES);
const INTERFACES = 8;
const INTERVAL_MS = 4_000;
/** Polls of each healthy router in a span. */
const ROUNDS = 2;
const DEADLINE_MS = 30_000;
/** As the product polls at an interval of ten seconds. */
const HOSTILE_DEADLINE_MS = 8_000;
/**
 * By how much lateness may differ on a machine that does other things. A poll that held the process up until its
 * deadline, or requests in flight that were nobody's any more, would cost more and go on growing.
 */
const NOISE_MS = 3_000;

let transport: Transport;
let modules: PlannedModule[];
let healthy: readonly SimulatedRouter[];
let hostile: readonly SimulatedRouter[];
const networks: SimulatedNetwork[] = [];

beforeAll(async () => {
  transport = await openTransport();
  const loaded = await loadModules(join(import.meta.dirname, "..", "..", "config", "modules"));
  modules = ["system", "if_mib"].flatMap((name) => {
    const module = loaded.get(name);
    return module === undefined ? [] : [{ module, plan: collectionPlan(module) }];
  });
  const interfaces = ["--interfaces", `${INTERFACES}`];
  const start = async (count: number, options: readonly string[]) => {
    const network = await startSimulatedNetwork(count, [...interfaces, ...options]);
    networks.push(network);
    return network.routers;
  };
  [healthy, hostile] = await Promise.all([
    start(HEALTHY, []),
    start(MODES.length, ["--hostile", MODES.join(",")]),
  ]);
}, 120_000);

afterAll(async () => {
  await Promise.all(networks.map((network) => network.process.stop()));
  await transport?.stop();
});

const memories = new Map<string, AssemblyMemory>();

async function poll({ address, port }: SimulatedRouter, deadlineMs: number) {
  const session = openSession(
    transport,
    {
      address,
      port,
      context: "",
      credential: { version: "2c", community: "public" },
      usmKey: `tenant/default/${address}/${port}`,
    },
    { deadlineMs: Date.now() + deadlineMs, timeoutMs: 2_000, retries: 2 },
  );
  return pollRouter(
    session,
    modules,
    { tableRowsMax: 50_000, pollValuesMax: 1_000_000, pollBytesMax: 33_554_432 },
    ({ name }) => {
      const key = `${port}/${name}`;
      const memory = memories.get(key) ?? new AssemblyMemory();
      memories.set(key, memory);
      return memory;
    },
  );
}

interface Span {
  /** From when a poll was due to when it started, and to when it had ended, sorted. */
  readonly lateMs: readonly number[];
  readonly endedAfterMs: readonly number[];
  readonly answered: number;
}

/** Polls every healthy router at its due times, spread over the interval. */
async function span(): Promise<Span> {
  const lateMs: number[] = [];
  const endedAfterMs: number[] = [];
  let answered = 0;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: HEALTHY * ROUNDS }, async (_, i) => {
      const dueMs = startMs + (i * INTERVAL_MS) / HEALTHY;
      await delay(dueMs - performance.now());
      lateMs.push(performance.now() - dueMs);
      const { outcome } = await poll(healthy[i % HEALTHY] as SimulatedRouter, DEADLINE_MS);
      endedAfterMs.push(performance.now() - dueMs);
      if (outcome === "answered") answered++;
    }),
  );
  const sorted = (values: number[]) => values.sort((a, b) => a - b);
  return { lateMs: sorted(lateMs), endedAfterMs: sorted(endedAfterMs), answered };
}

function at(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.floor(sorted.length * share)] ?? 0);
}

function figures({ lateMs, endedAfterMs, answered }: Span) {
  const of = (values: readonly number[]) => ({ p50: at(values, 0.5), p90: at(values, 0.9) });
  return { late: of(lateMs), ended: of(endedAfterMs), answered };
}

describe("routers that misbehave in every way there is", () => {
  test("delay no poll of the others, and each ends with a named outcome", async () => {
    await span();
    const alone = figures(await span());

    let isOver = false;
    const outcomes = new Map<string, string>();
    const disturbing = hostile.map(async (router, i) => {
      do {
        const { outcome } = await poll(router, HOSTILE_DEADLINE_MS);
        outcomes.set(MODES[i] ?? "", outcome);
      } while (!isOver);
    });
    const beside = figures(await span());
    isOver = true;
    await Promise.all(disturbing);

    const where = JSON.stringify({ alone, beside, outcomes: [...outcomes] });
    expect(outcomes.size, where).toBe(MODES.length);
    expect([alone.answered, beside.answered], where).toEqual([HEALTHY * ROUNDS, HEALTHY * ROUNDS]);
    for (const what of ["late", "ended"] as const) {
      expect(beside[what].p50, where).toBeLessThan(alone[what].p50 + NOISE_MS);
      expect(beside[what].p90, where).toBeLessThan(2 * alone[what].p90 + NOISE_MS);
    }
    expect(transport.inFlight).toBe(0);
  }, 300_000);
});
