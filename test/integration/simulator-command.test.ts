import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { enablingCommand, ensureDebianTool } from "../debian-package.ts";

const ROOT = join(import.meta.dirname, "../..");
const snmpget = ensureDebianTool("snmpget", "snmp");
const skipped = snmpget === null ? ` (skipped: snmpget is absent: ${enablingCommand("snmp")})` : "";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fairwalk-simulate-"));
});
afterAll(() => rm(folder, { recursive: true }));

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.kill("SIGKILL")) await once(child, "exit");
  }
});

/** Runs `fairwalk simulate` with at most `openFiles` open files. */
function simulate(args: readonly string[], openFiles = "unlimited"): ChildProcess {
  const limit = openFiles === "unlimited" ? "" : `ulimit -n ${openFiles} && `;
  const command = `${limit}exec "$0" --import tsx src/cli.ts simulate "$@"`;
  const child = spawn("sh", ["-c", command, process.execPath, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}

/** The first `count` lines of what it prints. */
async function linesOf(child: ChildProcess, count: number): Promise<string[]> {
  const lines: string[] = [];
  if (child.stdout === null) return lines;
  for await (const line of createInterface(child.stdout)) {
    if (lines.push(line) === count) break;
  }
  return lines;
}

async function endOf(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = await once(child, "close");
  return { code, stderr };
}

describe("fairwalk simulate", () => {
  it.skipIf(snmpget === null)(
    `prints a JSON line a router, logs requests, and ends in order at a signal${skipped}`,
    async () => {
      const log = join(folder, "requests.jsonl");
      const args = ["--port-base", "0", "--generate", "2", "--interfaces", "1", "--live"];
      const child = simulate([...args, "--hostile", "none,silent", "--log-requests", log]);

      const [first, second] = (await linesOf(child, 2)).map((line) => JSON.parse(line));
      const answer = execFileSync(
        snmpget ?? "",
        ["-v1", "-c", "public", "-Oqv", `127.0.0.1:${first.port}`, "1.3.6.1.2.1.1.5.0"],
        { encoding: "utf8" },
      );
      const ended = endOf(child);
      child.kill("SIGINT");

      expect(first).toMatchObject({
        name: "sim-00001",
        sysName: "sim-00001",
        address: "127.0.0.1",
        community: "public",
        dead: false,
        ratesPerSecond: {
          inOctets: { 1: expect.any(Number) },
          outOctets: { 1: expect.any(Number) },
        },
      });
      expect(second).toMatchObject({ name: "sim-00002", hostile: "silent" });
      expect(answer.trim()).toBe('"sim-00001"');
      expect(await ended).toEqual({ code: 0, stderr: "" });
      expect(
        (await readFile(log, "utf8"))
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line)),
      ).toEqual([
        {
          router: 0,
          atMs: expect.any(Number),
          pduType: 0xa0,
          requestId: expect.any(Number),
          sourcePort: expect.any(Number),
        },
      ]);
    },
  );

  it.each([
    [
      ["--generate", "2000", "--port-base", "0"],
      "200",
      "Cannot open 2000 sockets: the limit of open files of 200 is too low; raise it (ulimit -n 2100)",
    ],
    [
      ["--generate", "1", "--hostile", "rude"],
      "unlimited",
      'Cannot use "rude" with --hostile: it knows none, silent',
    ],
    [["--generate", "many"], "unlimited", 'Cannot use "many": a number is needed'],
    [
      ["--generate", "1", "--log-requests", "absent/log"],
      "unlimited",
      'Cannot write requests to "absent/log"',
    ],
  ])(
    "%j with %s open files is refused with a message that names the remedy",
    async (args, openFiles, message) => {
      const { code, stderr } = await endOf(simulate(args, openFiles));

      expect(code).toBe(1);
      expect(stderr).toContain(message);
      expect(stderr).not.toContain("    at ");
    },
  );
});
