import type { PostgresConnection } from "bullmq";

/**
 * What Postgres announces of one queue on one channel, counted from the first `listen`. A reader notes the count before
 * it looks and waits for more afterwards: what is announced while it looks is not slept through.
 */
export class Announcements {
  readonly #connection: PostgresConnection;
  readonly #channel: string;
  readonly #queueName: string;
  #heard = 0;
  #listening: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  constructor(connection: PostgresConnection, channel: string, queueName: string) {
    this.#connection = connection;
    this.#channel = channel;
    this.#queueName = queueName;
    // A new connection has to listen anew, and what was announced in between is unknown.
    connection.on("listenerinvalidated", () => {
      this.#listening = undefined;
      this.announce();
    });
  }

  get heard(): number {
    return this.#heard;
  }

  /** Resolves once announcements are heard. Rejects when Postgres cannot be reached. */
  async listen(): Promise<void> {
    this.#listening ??= this.#subscribe();
    const listening = this.#listening;
    try {
      await listening;
    } catch (error) {
      if (this.#listening === listening) this.#listening = undefined;
      throw error;
    }
  }

  /** Resolves once more than `heard` was announced, or after `timeoutMs`. For one caller at a time. */
  beyond(heard: number, timeoutMs: number): Promise<void> {
    if (this.#heard > heard) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** Wakes who waits. */
  announce(): void {
    this.#heard++;
    this.#wake?.();
  }

  async #subscribe(): Promise<void> {
    const client = await this.#connection.getListenClient();
    client.on("notification", ({ channel, payload }) => {
      if (channel === this.#channel && payload === this.#queueName) this.announce();
    });
    await client.query(`listen ${this.#channel}`);
  }
}
