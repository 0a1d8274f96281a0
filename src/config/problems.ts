import type { TSchema } from "typebox";
import { Value } from "typebox/value";

/** One thing wrong with the configuration: where, and what to do about it. */
export interface ConfigProblem {
  /** The key or variable, e.g. `config/fairwalk.yaml: worker.concurrency` or `FAIRWALK_LISTEN`. */
  readonly key: string;
  readonly reason: string;
}

/** Thrown when the configuration cannot be used; carries every problem found, not only the first. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ key, reason }) => `  ${key}: ${reason}`);
    super(`Cannot use the configuration, ${problems.length} problem(s):\n${lines.join("\n")}`);
    this.problems = problems;
  }
}

/** Every difference between `value` and `schema`, in words that name the key and what it should be. */
export function problemsOf(schema: TSchema, value: unknown, file: string): ConfigProblem[] {
  const problems = new Map<string, string>();
  for (const error of Value.Errors(schema, value)) {
    if (error.keyword === "additionalProperties") continue; // Each unknown key has an error of its own.
    const path = error.instancePath.slice(1).replaceAll("/", ".") || "(whole file)";
    const reason =
      error.keyword === "boolean"
        ? "unknown key; remove it, or correct its name"
        : `${error.message}, got ${JSON.stringify(valueAt(value, error.instancePath))}`;
    const key = `${file}: ${path}`;
    if (!problems.has(key)) problems.set(key, reason);
  }
  return [...problems].map(([key, reason]) => ({ key, reason }));
}

function valueAt(value: unknown, pointer: string): unknown {
  let at = value;
  for (const part of pointer.split("/").slice(1)) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}
