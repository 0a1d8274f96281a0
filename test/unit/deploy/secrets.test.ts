import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../../../src/bench/temporary-directory.ts";
import { readEnvironment } from "../../../src/config/environment.ts";
import type { ConfigProblem } from "../../../src/config/problems.ts";
import { PROJECT, readComposeFile } from "./compose-file.ts";

let folder: string;

async function makeSecrets(): Promise<Record<string, string>> {
  await promisify(execFile)(process.execPath, [
    join(PROJECT, "config", "compose", "make-secrets.mjs"),
    folder,
  ]);
  const files = await readdir(folder, { recursive: true });
  const secrets: Record<string, string> = {};
  for (const file of files) {
    const path = join(folder, file);
    if ((await stat(path)).isFile()) secrets[file] = await readFile(path, "utf8");
  }
  return secrets;
}

beforeAll(async () => {
  folder = await makeTemporaryDirectory("secrets");
  for (const volume of ["postgres", "platform", "monitoring"]) await mkdir(join(folder, volume));
});

afterAll(() => removeTemporaryDirectory(folder));

test("the secrets of the Compose file are made once and are what Fairwalk asks for", async () => {
  const first = await makeSecrets();
  const again = await makeSecrets();
  const environment = readComposeFile().services["api"]?.environment ?? {};
  const problems: ConfigProblem[] = [];
  const read = readEnvironment(
    Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        value.replace(/^\/secrets\//, `${folder}/platform/`),
      ]),
    ),
    problems,
  );

  expect(again).toEqual(first);
  expect(problems).toEqual([]);
  expect(read.masterKey).toHaveLength(32);
  expect(read.databaseUrl).toContain(`:${first["postgres/fairwalk-password"]?.trim()}@`);
  expect(read.adminToken).toBe(first["monitoring/admin-token"]?.trim());
});

test("neither Postgres nor Prometheus is given the master key or the database's address", async () => {
  const secrets = await makeSecrets();
  const names = Object.keys(secrets).sort();

  expect(names).toEqual([
    "monitoring/admin-token",
    "monitoring/grafana-password",
    "platform/admin-token",
    "platform/database-url",
    "platform/master-key",
    "postgres/fairwalk-password",
    "postgres/superuser-password",
  ]);
});
