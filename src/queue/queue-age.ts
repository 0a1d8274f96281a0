import { Redis } from "ioredis";
import type { Log } from "../lib/log.ts";
import { type QueueBackend, redisConnection, redisPrefix } from "./backend.ts";

/**
 * How long a zone's queue has had all its data. A queue that lost it does not know which polls run: until the locks it
 * knew of are over, a router it does not know a poll of may have one all the same.
 *
 * Told by a key that is lost with the rest: it holds the time, by Redis' own clock, at which somebody first missed it.
 * Leaders look every second, so a loss is dated a second late at most.
 */
export interface QueueAge {
  /** At least so long ago its data was lost; Infinity: never. Waits while the queue is away. */
  sinceLossMs(): Promise<number>;
  /** It is new: what it does not have it never had. */
  setWhole(): Promise<void>;
  stop(): void;
}

const LOOK_EVERY_MS = 1_000;

const LOOK = `
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call("SET", KEYS[1], string.format("%.0f", now), "NX")
  return now - redis.call("GET", KEYS[1])`;

/** Postgres keeps what it has committed. */
const NEVER_LOST: QueueAge = {
  sinceLossMs: async () => Number.POSITIVE_INFINITY,
  async setWhole() {},
  stop() {},
};

export function watchQueueAge(backend: QueueBackend, zoneKey: string, log: Log): QueueAge {
  if (backend.kind === "postgres") return NEVER_LOST;
  const { url, ...options } = redisConnection(backend.url);
  const redis = new Redis(url, options);
  redis.on("error", () => undefined); // The queue's own connections complain of the same outage.
  const key = `${redisPrefix(zoneKey)}:whole-since`;

  const sinceLossMs = async (): Promise<number> => {
    const ageMs = await redis.eval(LOOK, 1, key);
    return Math.max(0, Number(ageMs));
  };

  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    sinceLossMs()
      .catch((error: unknown) => log.debug({ zone: zoneKey, error }, "cannot look at the queue"))
      .finally(() => {
        isLooking = false;
      });
  }, LOOK_EVERY_MS);

  return {
    sinceLossMs,
    async setWhole() {
      await redis.set(key, 0);
    },
    stop() {
      clearInterval(timer);
      redis.disconnect();
    },
  };
}
