import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Value } from "typebox/value";
import { parse } from "yaml";
import type { Tier, TierRules } from "../tenants/tenant.ts";
import { type Environment, readEnvironment } from "./environment.ts";
import { ConfigError, type ConfigProblem, problemsOf } from "./problems.ts";
import { FILE_SCHEMA, type FileConfig, TIERS_SCHEMA } from "./schema.ts";

/** Everything a process is told: the file's keys with their defaults, the environment's values, the tiers. */
export interface Config extends FileConfig, Environment {
  /** The file that was read, for messages. */
  readonly file: string;
  readonly tiers: Readonly<Record<Tier, TierRules>>;
  /** The shipped modules, and those beside the configuration file, which win. */
  readonly moduleDirectories: readonly string[];
  readonly profilesFile: string;
}

/** Where the files shipped with the program are: `config/` beside `src/` and `dist/`. */
const SHIPPED = resolve(import.meta.dirname, "..", "..", "config");

/**
 * Reads the configuration file (FAIRWALK_CONFIG, or the shipped one) and the environment, and checks both whole.
 * Throws one ConfigError that lists every problem with its key, the reason and the remedy. The result is frozen.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const named = env["FAIRWALK_CONFIG"];
  const file =
    named === undefined || named === "" ? join(SHIPPED, "fairwalk.yaml") : resolve(named);
  const problems: ConfigProblem[] = [];

  const fileConfig = readChecked(file, FILE_SCHEMA, problems) as FileConfig | undefined;
  const tiersFile = besideOrShipped(file, "tiers.yaml");
  const tiers = readChecked(tiersFile, TIERS_SCHEMA, problems) as Config["tiers"] | undefined;
  const environment = readEnvironment(env, problems);

  if (problems.length > 0 || fileConfig === undefined || tiers === undefined) {
    throw new ConfigError(problems);
  }
  return Object.freeze({
    ...fileConfig,
    ...environment,
    file,
    tiers,
    moduleDirectories: [...new Set([join(SHIPPED, "modules"), besideOrShipped(file, "modules")])],
    profilesFile: besideOrShipped(file, "profiles.yaml"),
    worker: {
      ...fileConfig.worker,
      concurrency: environment.concurrency ?? fileConfig.worker.concurrency,
    },
  });
}

/** Tiers and profiles lie beside the configuration file; what does not is the shipped one. */
function besideOrShipped(file: string, name: string): string {
  const beside = join(dirname(file), name);
  return existsSync(beside) ? beside : join(SHIPPED, name);
}

function readChecked(
  file: string,
  schema: typeof FILE_SCHEMA | typeof TIERS_SCHEMA,
  problems: ConfigProblem[],
): unknown {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8")) ?? {};
  } catch (error) {
    problems.push({ key: file, reason: `cannot be read: ${(error as Error).message}` });
    return undefined;
  }
  const filled = Value.Default(schema, value);
  const found = problemsOf(schema, filled, file);
  problems.push(...found);
  return found.length === 0 ? filled : undefined;
}
