import type { Logger } from "pino";

/** What our code asks of a logger: structured fields first, then one sentence. */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;
