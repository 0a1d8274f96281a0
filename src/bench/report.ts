import { cpus, totalmem } from "node:os";

/** The machine a benchmark ran on: its figures mean little without it. */
export function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** Human-readable progress goes to stderr; the last line of stdout is the result. */
export function progress(text: string): void {
  console.error(`bench: ${text}`);
}

export function printResult(result: object): void {
  console.log(JSON.stringify(result));
}

/** The value below which a share `q` of the sorted values lies; NaN for none. */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** To the next `steps`-th: rounded(0.123, 10) = 0.1. */
export function rounded(value: number, steps: number): number {
  return Math.round(value * steps) / steps;
}
