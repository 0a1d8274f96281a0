import type { BenchRouter, PollCost, PollOptions } from "./snmp-parts.ts";

const WARMING_POLLS = 4;

/** Whose CPU and memory are counted. */
export interface Meters {
  cpuUs(): number;
  rssBytes(): number;
}

const OWN_METERS: Meters = {
  cpuUs: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  rssBytes: () => process.memoryUsage.rss(),
};

/** Resolves with whether everything came. */
export type PollOnce = (router: BenchRouter, place: number) => Promise<boolean>;

export interface Lanes {
  /** Polls every router a few times, uncounted: sizes are learnt, code is compiled. */
  warm(): Promise<void>;
  measure(): Promise<PollCost>;
}

/** Polls routers one after the other and round again, so many at once, and counts what that costs. */
export function openLanes(
  { routers, concurrency, seconds }: Pick<PollOptions, "routers" | "concurrency" | "seconds">,
  pollOnce: PollOnce,
  meters: Meters = OWN_METERS,
): Lanes {
  let next = 0;
  const pollUntil = async (isOver: (polls: number) => boolean) => {
    let polls = 0;
    let incomplete = 0;
    const lane = async (): Promise<void> => {
      while (!isOver(polls)) {
        const place = next;
        next = (next + 1) % routers.length;
        polls++;
        if (!(await pollOnce(routers[place] as BenchRouter, place))) incomplete++;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
    return { polls, incomplete };
  };
  return {
    async warm() {
      await pollUntil((polls) => polls >= WARMING_POLLS * routers.length);
    },
    async measure() {
      let rssBytes = 0;
      const watchRss = (): void => {
        rssBytes = Math.max(rssBytes, meters.rssBytes());
      };
      const watch = setInterval(watchRss, RSS_EVERY_MS);
      const endMs = performance.now() + seconds * 1_000;
      const before = meters.cpuUs();
      const counted = await pollUntil(() => performance.now() >= endMs);
      const cpuUs = meters.cpuUs() - before;
      clearInterval(watch);
      watchRss();
      return { ...counted, cpuUs, rssMb: Math.round(rssBytes / 2 ** 20) };
    },
  };
}

const RSS_EVERY_MS = 200;
