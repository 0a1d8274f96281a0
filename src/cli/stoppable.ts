import type { Log } from "../lib/log.ts";

/** What runs until it is told to stop. */
export interface Stoppable {
  stop(): Promise<void>;
}

/**
 * Things that were started, to be stopped in reverse order: what was built on something goes before it. A stop that
 * fails is logged and the others still happen.
 */
export class StopStack {
  readonly #started: { readonly name: string; readonly stop: () => Promise<unknown> }[] = [];
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  push<T extends Stoppable>(name: string, started: T): T {
    this.#started.push({ name, stop: () => started.stop() });
    return started;
  }

  pushEnd<T extends { end(): Promise<unknown> }>(name: string, started: T): T {
    this.#started.push({ name, stop: () => started.end() });
    return started;
  }

  async stop(): Promise<void> {
    for (let next = this.#started.pop(); next !== undefined; next = this.#started.pop()) {
      try {
        await next.stop();
      } catch (error) {
        this.#log.error(
          { part: next.name, error: (error as Error).message },
          "did not stop in order",
        );
      }
    }
  }
}
