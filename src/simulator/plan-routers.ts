/** Which routers a simulated network has, before any of them has a socket: what each says, and on what terms. */
import { FLOWS, flowRate, routerKey } from "./counters.ts";
import { GeneratedValues, generatedName, generatedRate } from "./generated-values.ts";
import { type GeneratedFamily, openGeneratedViews } from "./generated-view.ts";
import type { HostileMode } from "./hostile.ts";
import { RecordedValues, type Recording, readRecordings } from "./recording.ts";
import { type Agent, MESSAGE_BYTES_MAX } from "./responder.ts";
import type { SimulatorOptions } from "./simulator-options.ts";

export interface SimulatedRouter {
  /** sysName of a generated router; of a recorded one the recording's name, with -2, -3 … for its copies. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly community: string;
  readonly sysName?: string;
  readonly recording?: string;
  /** Interfaces of a generated router. */
  readonly interfaces?: number;
  readonly dead: boolean;
  readonly hostile?: HostileMode;
}

/** What an Ethernet frame carries without fragments. */
const GENERATED_MESSAGE_BYTES_MAX = 1_472;

/** A router before it has a socket. */
export interface RouterPlan {
  readonly router: Omit<SimulatedRouter, "address" | "port">;
  readonly agent: Agent;
  readonly rates: () => Record<string, Record<string, number>>;
}

/** The routers that `options` ask for: recordings by name, then generated ones. Rejects when a recording cannot be read. */
export async function planRouters(
  options: SimulatorOptions,
  startedAtMs: number,
): Promise<RouterPlan[]> {
  const { seed = 1, live = false, generate = 0, copies = 1, community = "public" } = options;
  const communityOctets = Buffer.from(community);
  const plans: RouterPlan[] = [];
  const total = (recorded: number) => recorded * copies + generate;

  const recordings =
    options.recordings === undefined ? [] : await readRecordings(options.recordings, live);
  const isDead = deadRouters(seed, total(recordings.length), options.deadFraction ?? 0);

  for (const recording of recordings) {
    for (let copy = 1; copy <= copies; copy++) {
      const router = plans.length;
      plans.push({
        router: {
          name: copy === 1 ? recording.name : `${recording.name}-${copy}`,
          community,
          recording: recording.name,
          ...(recording.sysName === undefined ? {} : { sysName: recording.sysName }),
          dead: isDead(router),
          ...hostilityOf(options, router),
        },
        agent: {
          view: recording.view,
          community: communityOctets,
          messageBytesMax: options.messageBytesMax ?? MESSAGE_BYTES_MAX,
          writeMoving: new RecordedValues(recording, router, { seed, sinceMs: startedAtMs }).write,
        },
        rates: () => recordedRates(recording, seed, router),
      });
    }
  }

  const family: GeneratedFamily = {
    seed,
    interfaces: options.interfaces ?? 48,
    ...(live ? { liveSinceMs: startedAtMs } : {}),
  };
  const viewOf = openGeneratedViews(family);
  for (let i = 0; i < generate; i++) {
    const router = plans.length;
    plans.push({
      router: {
        name: generatedName(router),
        community,
        sysName: generatedName(router),
        interfaces: family.interfaces,
        dead: isDead(router),
        ...hostilityOf(options, router),
      },
      agent: {
        view: viewOf(router),
        community: communityOctets,
        messageBytesMax: options.messageBytesMax ?? GENERATED_MESSAGE_BYTES_MAX,
        writeMoving: new GeneratedValues(family, router).write,
      },
      rates: () => (live ? generatedRates(family, router) : {}),
    });
  }
  if (plans.length === 0) {
    throw new Error(
      "Cannot simulate no routers: name recordings (--recordings) or generate some (--generate)",
    );
  }
  return plans;
}

function hostilityOf(options: SimulatorOptions, router: number): { hostile?: HostileMode } {
  const hostile = options.hostileOf?.(router);
  return hostile === undefined ? {} : { hostile };
}

/** Exactly the given share of the routers, rounded, whichever the seed says. */
function deadRouters(seed: number, routers: number, fraction: number): (router: number) => boolean {
  const order = Array.from({ length: routers }, (_, router) => router).sort(
    (a, b) => routerKey(seed, a) - routerKey(seed, b),
  );
  const dead = new Set(order.slice(0, Math.round(routers * fraction)));
  return (router) => dead.has(router);
}

function generatedRates(family: GeneratedFamily, router: number) {
  const rates: Record<string, Record<string, number>> = {};
  for (const flow of FLOWS) {
    const ofFlow: Record<string, number> = {};
    for (let ifIndex = 1; ifIndex <= family.interfaces; ifIndex++) {
      ofFlow[ifIndex] = generatedRate(family.seed, router, ifIndex, flow);
    }
    rates[flow] = ofFlow;
  }
  return rates;
}

function recordedRates(recording: Recording, seed: number, router: number) {
  const rates: Record<string, Record<string, number>> = {};
  for (const { counter } of recording.movingRows) {
    if (counter === undefined) continue;
    const ofFlow = rates[counter.flow] ?? {};
    ofFlow[counter.ifIndex] = flowRate(seed, router, counter.ifIndex, counter.flow);
    rates[counter.flow] = ofFlow;
  }
  return rates;
}
