import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * A worker in a process of its own whose polls take a known time instead of speaking SNMP: for benchmarks of the queue
 * and the scheduler at rates and costs that real packets on a small machine cannot give.
 */

export interface PollCost {
  readonly costMs: number;
  /** Share of the polls that take `timeoutMs` instead. */
  readonly timeoutShare: number;
  readonly timeoutMs: number;
}

/** What a tenant's polls cost. */
export interface PollCosts extends PollCost {
  readonly tenantId: TenantId;
}

export interface TimedWorkerSetup {
  readonly redisUrl: string;
  readonly zoneKey: string;
  readonly slots: number;
  /** `product`: the worker's own shell, with its leases. `plain`: BullMQ's Worker and nothing around it. */
  readonly shell: "product" | "plain";
  readonly costs: readonly PollCosts[];
  /** Of tenants not named in `costs`. */
  readonly everyPoll?: PollCost;
  readonly seed: number;
}

/** What the worker saw, by its own clock. */
export interface TimedWorkerReport {
  readonly atMs: number;
  readonly finished: number;
  readonly lastEndMs: number;
  /** Slot time used since the beginning, polls that still run included. */
  readonly usedMs: readonly (readonly [TenantId, number])[];
  /** When the first poll of each tenant started. */
  readonly firstStartsMs: readonly (readonly [TenantId, number])[];
  /** Between one poll's end and the next one's, the longest of 100. */
  readonly slotReleaseP99Ms: number;
}

/** What the parent asks; each is answered by a report. */
export type TimedWorkerQuestion =
  | { readonly ask: "setup"; readonly setup: TimedWorkerSetup }
  | { readonly ask: "report" };

export interface TimedWorker {
  report(): Promise<TimedWorkerReport>;
  stop(): Promise<void>;
}

export async function startTimedWorker(setup: TimedWorkerSetup): Promise<TimedWorker> {
  const program = join(import.meta.dirname, `timed-worker-process${extname(import.meta.filename)}`);
  const child: ChildProcess = fork(program, {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ended = once(child, "exit");
  const ask = async (question: TimedWorkerQuestion): Promise<TimedWorkerReport> => {
    const answer = once(child, "message");
    child.send(question);
    const died = ended.then(() => {
      throw new Error("Cannot go on: the timed worker has ended");
    });
    const [report] = await Promise.race([answer, died]);
    return report as TimedWorkerReport; // The child sends nothing else.
  };
  await ask({ ask: "setup", setup });
  return {
    report: () => ask({ ask: "report" }),
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}
