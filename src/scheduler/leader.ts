import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { pause, settledWithin } from "./pause.ts";
import { type Survey, ZoneBalance } from "./zone-balance.ts";

/**
 * Which zones this process leads: of every zone that has routers and no leader, its share (zone-balance.ts). One leader
 * a zone at a time is the business of `tryLead` (a lock in Postgres); here we keep asking, begin when it says yes, and
 * end the moment it says no more.
 */

export interface Leadership {
  /** Aborted as soon as another may lead. */
  readonly lost: AbortSignal;
  /** False when another may lead without our having noticed yet: this process stood still. It is soon known. */
  isSure(): boolean;
  stop(): Promise<void>;
}

export interface Stoppable {
  stop(): Promise<void>;
}

export interface LeaderDependencies {
  /** Leads the zone from now on, or undefined while another does. */
  readonly tryLead: (zoneKey: string) => Promise<Leadership | undefined>;
  readonly zoneKeys: () => Promise<readonly string[]>;
  /** Which of the zones are led, and how many stand for them. From then on this process is one of those. */
  readonly survey: (zoneKeys: readonly string[]) => Promise<Survey>;
  /**
   * Begins to work on a zone. `over` ends the work, begun or not; once begun `stop` is called as well. While `isSure` says
   * no, nothing may be done that a leader alone may do.
   */
  readonly lead: (zoneKey: string, over: AbortSignal, isSure: () => boolean) => Promise<Stoppable>;
  readonly leading: (zoneKey: string, isLeader: boolean) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Leader {
  /** Looks for new zones at once: a tenant changed its routers. */
  refresh(): void;
  /** Ends the work on every zone and gives them up. */
  stop(): Promise<void>;
}

/**
 * A standby asks for the zones of others this often: what a takeover waits at most, beside noticing the leader's end.
 */
const TRY_EVERY_MS = 1_000;
/** The zones are listed anew this often, and when told of a change. */
const LIST_EVERY_MS = 10_000;
/** How long a database that does not answer may hold up a stop. */
const STOP_MS_MAX = 5_000;

export function startLeader({
  tryLead,
  zoneKeys,
  survey,
  lead,
  leading,
  clock,
  log,
}: LeaderDependencies): Leader {
  const stopping = new AbortController();
  const led = new Map<string, Stoppable>();
  const balance = new ZoneBalance();
  let zones: readonly string[] = [];
  let listIsStale = true;
  let listedAtMs = clock.now();
  let isComplaining = false;

  const running = run();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await round();
        isComplaining = false;
      } catch (error) {
        if (!isComplaining) log.warn({ error }, "cannot stand for leadership, trying again");
        isComplaining = true;
      }
      await pause(TRY_EVERY_MS, stopping.signal);
    }
  }

  async function round(): Promise<void> {
    if (listIsStale || Math.abs(clock.now() - listedAtMs) > LIST_EVERY_MS) {
      listIsStale = false;
      listedAtMs = clock.now();
      try {
        zones = await zoneKeys();
      } catch (error) {
        listIsStale = true;
        throw error;
      }
      const wanted = new Set(zones);
      for (const [zoneKey, work] of led) if (!wanted.has(zoneKey)) await work.stop();
    }
    if (zones.length > 1) balance.survey(zones, await survey(zones), performance.now());
    for (const zoneKey of zones) {
      if (stopping.signal.aborted) return;
      if (led.has(zoneKey) || !balance.mayStandFor(zoneKey, led.size, performance.now())) continue;
      await standFor(zoneKey);
    }
    await handOneOver();
  }

  async function handOneOver(): Promise<void> {
    const youngest = [...led].at(-1);
    if (youngest === undefined || !balance.hasOneTooMany(led.size, performance.now())) return;
    const [zoneKey, work] = youngest;
    log.info({ zone: zoneKey, led: led.size }, "handing the zone over to a scheduler with fewer");
    await work.stop();
    balance.handedOver(zoneKey);
  }

  async function standFor(zoneKey: string): Promise<void> {
    const leadership = await tryLead(zoneKey);
    if (leadership === undefined) return;
    if (stopping.signal.aborted) {
      await leadership.stop();
      return;
    }
    balance.taken(zoneKey);
    log.info({ zone: zoneKey }, "leading the zone");
    leading(zoneKey, true);
    const over = new AbortController();
    let work: Promise<Stoppable> | undefined;
    let ending: Promise<void> | undefined;
    const end = () => {
      ending ??= (async () => {
        over.abort();
        leadership.lost.removeEventListener("abort", onLost);
        leading(zoneKey, false);
        // The work first: nothing of ours may go on when another can lead.
        await work?.then((begun) => begun.stop()).catch(() => undefined);
        await leadership.stop().catch((error: unknown) => {
          log.warn({ zone: zoneKey, error }, "cannot give the zone up in order");
        });
        led.delete(zoneKey);
      })();
      return ending;
    };
    const onLost = () => {
      log.warn({ zone: zoneKey }, "lost the lead of the zone");
      void end();
    };
    led.set(zoneKey, { stop: end });
    leadership.lost.addEventListener("abort", onLost);
    const isSure = () => leadership.isSure();
    work = lead(zoneKey, AbortSignal.any([leadership.lost, over.signal]), isSure);
    work.catch((error: unknown) => {
      if (!over.signal.aborted) {
        log.error({ zone: zoneKey, error }, "cannot work on the zone, giving it up for now");
      }
      void end();
    });
    if (leadership.lost.aborted) onLost();
  }

  return {
    refresh() {
      listIsStale = true;
    },
    async stop() {
      stopping.abort();
      await settledWithin(STOP_MS_MAX, running);
      await Promise.all([...led.values()].map((work) => work.stop()));
    },
  };
}
