import { createSocket, type Socket } from "node:dgram";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { flowRate } from "../../src/simulator/counters.ts";
import type { SimulatorOptions } from "../../src/simulator/simulator-options.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { decodeOid, encodeOid, readUnsigned, TAG } from "../../src/snmp/ber.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/snmp/message.ts";

const SYS_NAME = "1.3.6.1.2.1.1.5.0";
const SYS_UP_TIME = "1.3.6.1.2.1.1.3.0";
const IF_HC_IN_OCTETS = "1.3.6.1.2.1.31.1.1.1.6";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.stop();
});

async function start(options: SimulatorOptions): Promise<Simulator> {
  const simulator = await startSimulator(options);
  running.push(simulator);
  return simulator;
}

/** A poller that hears everything said to its port. */
interface Listener {
  readonly heard: { readonly message: Buffer; readonly port: number; readonly address: string }[];
  readonly port: number;
  get(to: { port: number; address: string }, oid: string, changes?: Partial<Message>): void;
}

async function listen(): Promise<Listener> {
  const heard: Listener["heard"] = [];
  const socket: Socket = createSocket("udp4");
  socket.on("message", (message, { port, address }) => heard.push({ message, port, address }));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  running.push({ stop: () => new Promise((resolve) => socket.close(() => resolve())) });
  return {
    heard,
    port: socket.address().port,
    get: (to, oid, changes = {}) => {
      const { bytes } = encodeMessage({
        version: 1,
        community: Buffer.from("public"),
        pduType: TAG.getRequest,
        requestId: 1,
        a: 0,
        b: 0,
        varbinds: [{ oid: encodeOid(oid), tag: TAG.null, value: new Uint8Array(0) }],
        ...changes,
      });
      socket.send(bytes, to.port, to.address);
    },
  };
}

/** Sends a GET and resolves with the value of its answer. */
async function getOf(router: { port: number; address: string }, oid: string): Promise<Uint8Array> {
  const listener = await listen();
  listener.get(router, oid);
  await until(() => listener.heard.length > 0);
  const answer = decodeMessage(listener.heard[0]?.message ?? new Uint8Array(0));
  return answer.varbinds[0]?.value ?? new Uint8Array(0);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("Nothing came in 10 s");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("a simulated network", () => {
  it("gives each router a port of its own, on which that router answers", async () => {
    const { routers } = await start({ generate: 300, interfaces: 1 });

    expect(new Set(routers.map(({ port }) => port)).size).toBe(300);
    for (const router of routers.filter((_, i) => i % 50 === 0)) {
      expect(Buffer.from(await getOf(router, SYS_NAME)).toString()).toBe(router.sysName);
    }
  });

  it("gives each router an address of its own", async () => {
    const [free] = (await start({ generate: 1 })).routers;
    const portBase = free?.port ?? 0;
    const { routers } = await start({
      generate: 3,
      interfaces: 1,
      listen: "127.0.3.254",
      portBase,
      ownAddresses: true,
    });

    expect(routers.map(({ address, port }) => `${address}:${port}`)).toEqual([
      `127.0.3.254:${portBase}`,
      `127.0.3.255:${portBase}`,
      `127.0.4.0:${portBase}`,
    ]);
    for (const router of routers) {
      expect(Buffer.from(await getOf(router, SYS_NAME)).toString()).toBe(router.sysName);
    }
  });

  it("starts 2,000 routers in less than 5 s", async () => {
    const startedAt = performance.now();

    await start({ generate: 2_000, interfaces: 48 });

    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it("has exactly the dead fraction, chosen by the seed, and the dead are silent", async () => {
    const deadOf = async (seed: number) =>
      (await start({ generate: 50, interfaces: 1, deadFraction: 0.2, seed })).routers
        .filter(({ dead }) => dead)
        .map(({ name }) => name);
    const { routers } = await start({ generate: 50, interfaces: 1, deadFraction: 0.2, seed: 1 });
    const listener = await listen();

    for (const router of routers) listener.get(router, SYS_NAME);
    await until(() => listener.heard.length === 40);

    const ports = routers.filter(({ dead }) => !dead).map(({ port }) => port);
    expect(listener.heard.map(({ port }) => port).sort()).toEqual(ports.sort());
    expect(await deadOf(1)).toEqual(await deadOf(1));
    expect(await deadOf(1)).not.toEqual(await deadOf(2));
  });

  it("says nothing to another community, and counts it", async () => {
    const simulator = await start({ generate: 2, interfaces: 1 });
    const [first, second] = simulator.routers as [Simulator["routers"][0], Simulator["routers"][0]];
    const listener = await listen();

    listener.get(first, SYS_NAME, { community: Buffer.from("secret") });
    listener.get(second, SYS_NAME);
    await until(() => listener.heard.length === 1 && simulator.stats.wrongCommunity === 1);

    expect(listener.heard[0]?.port).toBe(second.port);
    expect(simulator.stats).toMatchObject({ requests: 2, answers: 1, malformed: 0 });
  });

  it("counts what is no request and goes on", async () => {
    const simulator = await start({ generate: 1, interfaces: 1 });
    const [router] = simulator.routers as [Simulator["routers"][0]];
    const socket = createSocket("udp4");
    running.push({ stop: () => new Promise((resolve) => socket.close(() => resolve())) });

    for (const octets of ["", "0", "\x30\x84\xff\xff\xff\xff", "x".repeat(5_000)]) {
      socket.send(Buffer.from(octets, "latin1"), router.port, router.address);
    }
    await until(() => simulator.stats.malformed === 4);

    expect(Buffer.from(await getOf(router, SYS_NAME)).toString()).toBe(router.sysName);
  });

  it("tells of every request: router, time, type, id and port", async () => {
    const requests: number[][] = [];
    const simulator = await start({
      generate: 2,
      interfaces: 1,
      deadFraction: 1,
      clock: { now: () => 1_234 },
      onRequest: (...request) => requests.push(request),
    });
    const [, router] = simulator.routers as [Simulator["routers"][0], Simulator["routers"][0]];
    const listener = await listen();

    listener.get(router, SYS_NAME, { requestId: 4_711 });
    await until(() => requests.length === 1);

    expect(requests).toEqual([[1, 1_234, TAG.getRequest, 4_711, listener.port]]);
    expect(simulator.requestsOf(1)).toEqual({ requests: 1, firstAtMs: 1_234, lastAtMs: 1_234 });
    expect(simulator.requestsOf(0)).toEqual({ requests: 0, firstAtMs: 0, lastAtMs: 0 });
  });

  it("answers after the round-trip time, however many ask at once", async () => {
    const simulator = await start({ generate: 100, interfaces: 1, rttMs: 200 });
    const listener = await listen();

    const askedAt = performance.now();
    for (const router of simulator.routers) listener.get(router, SYS_NAME);
    await until(() => listener.heard.length > 0);
    const firstAfterMs = performance.now() - askedAt;
    await until(() => listener.heard.length === 100);

    expect(firstAfterMs).toBeGreaterThanOrEqual(199);
  });

  it("live, moves a counter by its rate and sysUpTime by the time", async () => {
    let nowMs = 1_000_000;
    const simulator = await start({
      generate: 1,
      interfaces: 4,
      live: true,
      clock: { now: () => nowMs },
    });
    const [router] = simulator.routers as [Simulator["routers"][0]];
    const read = async (oid: string) => readUnsigned(await getOf(router, oid), TAG.counter64);
    const oids = [1, 2, 3, 4].map((ifIndex) => `${IF_HC_IN_OCTETS}.${ifIndex}`);

    const before = await Promise.all([...oids, SYS_UP_TIME].map(read));
    nowMs += 60_000;
    const after = await Promise.all([...oids, SYS_UP_TIME].map(read));

    const rates = simulator.ratesOf(0)["inOctets"] ?? {};
    expect(after.map((value, i) => value - (before[i] ?? 0n))).toEqual([
      ...[1, 2, 3, 4].map((ifIndex) => BigInt((rates[ifIndex] ?? 0) * 60)),
      6_000n,
    ]);
  });
});

describe("a simulated network of recordings", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "fairwalk-simulator-"));
    await writeFile(
      join(folder, "edge.snmprec"),
      `${SYS_NAME}|4|edge-1\n${IF_HC_IN_OCTETS}.9|70|5\n`,
    );
    await writeFile(join(folder, "core.snmprec"), `${SYS_NAME}|4|core-1\n`);
    await writeFile(join(folder, "notes.txt"), "not a recording");
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("serves each file, as often as asked, before the generated routers", async () => {
    const { routers } = await start({ recordings: folder, copies: 2, generate: 1 });

    expect(routers.map(({ name, recording, sysName }) => [name, recording, sysName])).toEqual([
      ["core", "core", "core-1"],
      ["core-2", "core", "core-1"],
      ["edge", "edge", "edge-1"],
      ["edge-2", "edge", "edge-1"],
      ["sim-00005", undefined, "sim-00005"],
    ]);
    for (const router of routers) {
      expect(Buffer.from(await getOf(router, SYS_NAME)).toString()).toBe(router.sysName);
    }
  });

  it("live, announces the rates of what it recorded", async () => {
    const simulator = await start({ recordings: folder, live: true, seed: 9 });

    expect(simulator.ratesOf(0)).toEqual({});
    expect(simulator.ratesOf(1)).toEqual({ inOctets: { 9: flowRate(9, 1, 9, "inOctets") } });
  });

  it("names the file and line that cannot be served", async () => {
    await writeFile(join(folder, "bad.snmprec"), "1.3.6.1.1|2|1\n1.3.6.1.2|2|one\n");

    await expect(start({ recordings: folder })).rejects.toThrow(
      `Cannot read ${join(folder, "bad.snmprec")}:2: "one" is not a whole number`,
    );
  });

  it.each([
    ["a folder that is not there", "absent", "it is not a readable folder"],
    ["a folder without recordings", "", "it has no *.snmprec file"],
  ])("names %s", async (_, name, reason) => {
    const path = join(folder, name);
    if (name === "")
      await Promise.all(["edge", "core"].map((each) => rm(join(path, `${each}.snmprec`))));

    await expect(start({ recordings: path })).rejects.toThrow(
      `Cannot serve recordings of "${path}": ${reason}`,
    );
  });
});

describe("what cannot be served", () => {
  it("is a port that is taken, and nothing stays open", async () => {
    const first = await start({ generate: 1, listen: "127.0.5.3" });
    const portBase = first.routers[0]?.port ?? 0;
    const others = { listen: "127.0.5.1", portBase, ownAddresses: true };

    await expect(start({ ...others, generate: 5 })).rejects.toThrow(
      `Cannot serve a router on 127.0.5.3:${portBase}: the UDP port is taken`,
    );
    const again = await start({ ...others, generate: 2 });
    expect(again.routers).toHaveLength(2);
  });

  it.each<[SimulatorOptions, string]>([
    [{}, "Cannot simulate no routers"],
    [{ generate: 1, listen: "192.0.2.1" }, "this machine has no such address"],
    [{ generate: 1, listen: "localhost" }, 'Cannot listen on "localhost"'],
    [{ generate: 100, portBase: 65_500 }, "ports end at 65535"],
    [{ generate: 1, ownAddresses: true }, "without a port"],
    [{ generate: 1, ownAddresses: true, portBase: 1, listen: "::1" }, "is not IPv4"],
    [{ generate: 1.5 }, "Cannot simulate generate 1.5"],
    [{ generate: 1, interfaces: 0 }, "Cannot simulate interfaces 0"],
    [{ generate: 1, copies: 0 }, "Cannot simulate copies 0"],
    [{ generate: 1, deadFraction: 1.1 }, "Cannot simulate a dead fraction of 1.1"],
    [{ generate: 1, messageBytesMax: 100 }, "Cannot answer in 100 octets"],
    [{ generate: 1, community: "x".repeat(256) }, "Cannot use a community of more than 255 octets"],
  ])("%j", async (options, message) => {
    await expect(start(options)).rejects.toThrow(message);
  });
});

describe("hostile routers", () => {
  const start3 = (hostile: "late" | "duplicates" | "wrong-source-port") =>
    start({
      generate: 3,
      interfaces: 1,
      lateMs: 300,
      hostileOf: (router) => (router === 1 ? hostile : undefined),
    });

  it("answer late beside others that do not", async () => {
    const { routers } = await start3("late");
    const listener = await listen();

    const askedAt = performance.now();
    for (const router of routers) listener.get(router, SYS_NAME);
    await until(() => listener.heard.length === 2);
    const ports = listener.heard.map(({ port }) => port);
    await until(() => listener.heard.length === 3);

    expect(ports).not.toContain(routers[1]?.port);
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(299);
    expect(nameIn(listener.heard[2]?.message)).toBe("sim-00002");
  });

  it("answer from another port with the right answer", async () => {
    const { routers } = await start3("wrong-source-port");
    const listener = await listen();

    listener.get(routers[1] ?? { port: 0, address: "" }, SYS_NAME);
    await until(() => listener.heard.length === 1);

    expect(routers.map(({ port }) => port)).not.toContain(listener.heard[0]?.port);
    expect(nameIn(listener.heard[0]?.message)).toBe("sim-00002");
  });

  it("answer three times", async () => {
    const { routers } = await start3("duplicates");
    const listener = await listen();

    listener.get(routers[1] ?? { port: 0, address: "" }, SYS_NAME);
    await until(() => listener.heard.length === 3);

    expect(listener.heard.map(({ message }) => nameIn(message))).toEqual([
      "sim-00002",
      "sim-00002",
      "sim-00002",
    ]);
  });

  function nameIn(message: Buffer | undefined): string {
    const [varbind] = decodeMessage(message ?? new Uint8Array(0)).varbinds;
    expect(decodeOid(varbind?.oid ?? new Uint8Array(0))).toBe(SYS_NAME);
    return Buffer.from(varbind?.value ?? []).toString();
  }
});
