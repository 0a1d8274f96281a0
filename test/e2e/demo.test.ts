import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { type RoleProcess, startRole } from "../../src/bench/role-process.ts";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../../src/bench/temporary-directory.ts";
import { clientOf, parseSeries, SYSTEM_WAIT } from "../system.ts";

/** `fairwalk all --demo` on a machine with nothing else: embedded Postgres, queue in Postgres, simulated routers. */

interface DemoTenant {
  readonly slug: string;
  readonly tier: string;
  readonly apiKey: string;
}

const folders: string[] = [];
let running: RoleProcess | undefined;

afterAll(async () => {
  await running?.stop();
  for (const folder of folders) await removeTemporaryDirectory(folder);
});

async function start(folder: string) {
  const program = startRole(["all", "--demo"], {
    FAIRWALK_DATA_DIR: folder,
    FAIRWALK_LISTEN: "127.0.0.1:0",
  });
  running = program;
  await vi.waitFor(() => expect(program.output()).toContain("curl"), SYSTEM_WAIT);
  const { url } = JSON.parse(await readFile(join(folder, "api.json"), "utf8")) as { url: string };
  const { tenants } = JSON.parse(await readFile(join(folder, "demo.json"), "utf8")) as {
    tenants: DemoTenant[];
  };
  const adminToken = (await readFile(join(folder, "admin-token"), "utf8")).trim();
  return { program, tenants, ...clientOf(url, adminToken) };
}

/** Processes whose command line names the folder. */
function processesOn(folder: string): string[] {
  const pids = readdirNumbers("/proc");
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
    } catch {
      return false;
    }
  });
}

function readdirNumbers(path: string): string[] {
  return readdirSync(path).filter((name) => /^\d+$/.test(name));
}

it("starts from nothing, polls the demo tenants, keeps them apart, stops in order and finds its data again", async () => {
  const folder = await makeTemporaryDirectory("demo");
  folders.push(folder);

  const first = await start(folder);
  expect(first.tenants).toHaveLength(3);
  expect(new Set(first.tenants.map(({ tier }) => tier)).size).toBe(3);
  const [metro, valley] = first.tenants;
  const octets = async (key: string) =>
    parseSeries(await first.text("/v1/metrics", key)).filter(({ name }) => name === "ifHCInOctets");
  let before = await octets(metro?.apiKey ?? "");
  await vi.waitFor(async () => {
    before = await octets(metro?.apiKey ?? "");
    expect(before.length).toBeGreaterThan(0);
  }, SYSTEM_WAIT);
  const watched = before[0];
  await vi.waitFor(async () => {
    const now = (await octets(metro?.apiKey ?? "")).find(
      ({ labels }) =>
        labels["router"] === watched?.labels["router"] &&
        labels["ifIndex"] === watched?.labels["ifIndex"],
    );
    expect(Number(now?.value)).toBeGreaterThan(Number(watched?.value));
  }, SYSTEM_WAIT);

  const metroText = await first.text("/v1/metrics", metro?.apiKey ?? "");
  const valleyText = await first.text("/v1/metrics", valley?.apiKey ?? "");
  expect(metroText).not.toContain("valley-net");
  expect(valleyText).not.toContain("metro-fibre");
  const metroIds = new Set(parseSeries(metroText).map(({ labels }) => labels["router_id"]));
  for (const { labels } of parseSeries(valleyText)) {
    expect(metroIds.has(labels["router_id"])).toBe(false);
  }

  first.program.signal("SIGINT");
  expect(await first.program.ended).toBe(0);
  expect(processesOn(folder)).toEqual([]);

  const second = await start(folder);
  expect(second.tenants).toEqual(first.tenants);
  const polls = await second.call<{ items: unknown[] }>(
    "GET",
    "/v1/routers?limit=100",
    undefined,
    metro?.apiKey,
  );
  expect(polls.items).toHaveLength(40);
  expect(await second.program.stop()).toBe(0);
});
