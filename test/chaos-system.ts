import { setTimeout as delay } from "node:timers/promises";
import { vi } from "vitest";
import { type RedisServer, redisCommand } from "../src/bench/redis-server.ts";
import { type RoleProcess, startRole } from "../src/bench/role-process.ts";
import type { Fault, PlannedFault } from "./chaos-plan.ts";

/** How long a process may take to start on a machine that has other things to do. */
const START_WAIT = { timeout: 60_000, interval: 20 };

/** How long a standby may take to lead on such a machine; a few seconds where there is room. */
const TAKEOVER_WAIT = { timeout: 60_000, interval: 20 };

/** A scheduler or worker as its supervisor has it: killed, started again, paused and continued. */
export interface Member {
  readonly name: string;
  /** The latest one, perhaps still starting, or killed and not replaced yet. */
  process(): RoleProcess;
  kill(): Promise<void>;
  /** Starts it again; resolves when it is at work. */
  restart(): Promise<void>;
  /** Asks it to stop and answers its exit code. */
  stop(): Promise<number | string>;
}

/** Starts a scheduler or worker and resolves when it is at work. `onExit` hears of every end that was not asked for. */
export async function startMember(
  name: string,
  role: "scheduler" | "worker",
  env: Readonly<Record<string, string | undefined>>,
  onExit: (what: string) => void,
): Promise<Member> {
  let isEndWanted = false;
  let current: RoleProcess;
  const begin = () =>
    startedRole(() => {
      current = startRole([role], env);
      return current;
    }, role);
  watch(await begin());

  function watch(started: RoleProcess): void {
    void started.ended.then((code) => {
      if (isEndWanted) return;
      onExit(`${name} ended by itself with ${code}:\n${started.output().slice(-4_000)}`);
    });
  }

  return {
    name,
    process: () => current,
    async kill() {
      isEndWanted = true;
      current.signal("SIGKILL");
      await current.ended;
    },
    async restart() {
      const started = await begin();
      isEndWanted = false;
      watch(started);
    },
    stop() {
      isEndWanted = true;
      current.signal("SIGCONT");
      return current.stop();
    },
  };
}

/** A role at work. A start that finds no Redis ends with a message, and is tried again as a supervisor would. */
async function startedRole(start: () => RoleProcess, role: string): Promise<RoleProcess> {
  const triedUntilMs = Date.now() + START_WAIT.timeout;
  for (;;) {
    const started = start();
    let end: number | string | undefined;
    void started.ended.then((code) => {
      end = code;
    });
    await vi.waitFor(() => {
      if (end === undefined && !started.output().includes(`${role} started`)) {
        throw new Error(`A ${role} does not start:\n${started.output()}`);
      }
    }, START_WAIT);
    if (end === undefined) return started;
    if (!started.output().includes("Redis") || Date.now() > triedUntilMs) {
      throw new Error(`A ${role} ended with ${end} at its start:\n${started.output()}`);
    }
  }
}

/** What faults are done to, and what was done. */
export interface ChaosTargets {
  readonly schedulers: readonly Member[];
  readonly workers: readonly Member[];
  readonly redis: { server: RedisServer; restart(): Promise<RedisServer> };
  readonly dice: () => number;
  /** A line for each fault, for whoever reads a failure. */
  readonly tell: (what: string) => void;
  readonly tookOver: (afterMs: number) => void;
  /** Told before a process that was paused goes on. */
  readonly goesOn: (pid: number) => void;
}

/**
 * Does the faults of one list, one after the other, until `untilMs`; the last one is cut short there. Each is over when
 * its target is at work again.
 */
export async function doFaults(
  faults: readonly PlannedFault[],
  targets: ChaosTargets,
  untilMs: number,
): Promise<void> {
  for (const { afterMs, fault } of faults) {
    if (Date.now() + afterMs >= untilMs) return;
    await delay(afterMs);
    await doFault(fault, targets, untilMs);
  }
}

async function doFault(fault: Fault, targets: ChaosTargets, untilMs: number): Promise<void> {
  const { redis, tell } = targets;
  const leftMs = (wantedMs: number) => Math.max(0, Math.min(wantedMs, untilMs - Date.now()));
  if (fault.kind === "flush") {
    tell("redis: FLUSHALL");
    // Where Redis is paused or gone this waits, or fails: then there is nothing to flush.
    await redisCommand(redis.server.url, "FLUSHALL").catch(() => undefined);
    return;
  }
  if (fault.target === "redis") {
    const { pid } = redis.server;
    if (fault.kind === "pause") {
      tell(`redis: paused for ${fault.forMs} ms`);
      process.kill(pid, "SIGSTOP");
      await delay(leftMs(fault.forMs));
      process.kill(pid, "SIGCONT");
    } else {
      tell(`redis: killed, back and empty after ${fault.downMs} ms`);
      process.kill(pid, "SIGKILL");
      await delay(leftMs(fault.downMs));
      redis.server = await redis.restart();
    }
    tell("redis: back");
    return;
  }
  const member = await victim(fault.target, targets);
  const what = `${member.name} (${fault.target})`;
  if (fault.kind === "pause") {
    tell(`${what}: paused for ${fault.forMs} ms`);
    const paused = member.process();
    paused.signal("SIGSTOP");
    await delay(leftMs(fault.forMs));
    targets.goesOn(paused.pid);
    paused.signal("SIGCONT");
  } else {
    tell(`${what}: killed, started again after ${fault.downMs} ms`);
    const killedAtMs = Date.now();
    await member.kill();
    if (fault.target === "leader") {
      await vi.waitFor(() => {
        if (leaderOf(targets.schedulers.filter((other) => other !== member)) === undefined) {
          throw new Error(`Nobody leads after ${member.name} was killed`);
        }
      }, TAKEOVER_WAIT);
      targets.tookOver(Date.now() - killedAtMs);
    }
    await delay(leftMs(fault.downMs));
    await member.restart();
  }
  tell(`${what}: back`);
}

async function victim(
  target: "leader" | "standby" | "worker",
  { schedulers, workers, dice }: ChaosTargets,
): Promise<Member> {
  if (target === "worker") return workers[Math.floor(dice() * workers.length)] as Member;
  const leader = await vi.waitFor(() => {
    const present = leaderOf(schedulers);
    if (present === undefined) throw new Error("Nobody leads");
    return present;
  }, TAKEOVER_WAIT);
  return target === "leader"
    ? leader
    : (schedulers.find((scheduler) => scheduler !== leader) as Member);
}

/** The scheduler that began to lead last and has not said that it ended, by its own log. */
export function leaderOf(schedulers: readonly Member[]): Member | undefined {
  let leader: Member | undefined;
  let since = "";
  for (const scheduler of schedulers) {
    const began = lastTime(scheduler, '"leading the zone"');
    const ended = lastTime(scheduler, '"lost the lead of the zone"');
    if (began > ended && began > since) [leader, since] = [scheduler, began];
  }
  return leader;
}

/** When a process last logged a line with these words; "" when never. */
function lastTime(member: Member, words: string): string {
  const line = member
    .process()
    .output()
    .split("\n")
    .findLast((text) => text.includes(words));
  return /"time":"([^"]+)"/.exec(line ?? "")?.[1] ?? "";
}
