import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Root of the installed program: package.json, config/ and migrations/ lie here, beside src/ or dist/. */
export const PROGRAM_ROOT = join(import.meta.dirname, "..", "..");

/** As package.json has it. */
export function programVersion(): string {
  const text = readFileSync(join(PROGRAM_ROOT, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
