import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { seededRandom } from "../../src/lib/seeded-random.ts";
import { counter64Value, encodeOid, TAG, textValue } from "../../src/snmp/ber.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/snmp/message.ts";
import { openSession, type SessionLimits } from "../../src/snmp/session.ts";
import { openTransport, type Transport } from "../../src/snmp/transport.ts";
import { getScalars, walkColumns } from "../../src/snmp/walk.ts";

/** The transport and the session over real sockets, against agents that do exactly what a test says. */

const SYS_NAME = "1.3.6.1.2.1.1.5.0";
const COLUMN = "1.3.6.1.2.1.31.1.1.1.6";

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

let transport: Transport;
const sockets: Socket[] = [];

beforeAll(async () => {
  transport = await openTransport();
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});
afterAll(() => transport.stop());

type Agent = (request: Message, bytes: Buffer) => readonly Uint8Array[];

interface Served {
  readonly address: string;
  readonly port: number;
  readonly received: Message[];
}

async function bound(address: string): Promise<Socket> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.bind(0, address);
  await once(socket, "listening");
  sockets.push(socket);
  return socket;
}

/** An agent on a port of its own; it answers from `from` if given. */
async function serve(agent: Agent, address = "127.0.0.1", from?: Socket): Promise<Served> {
  const socket = await bound(address);
  const received: Message[] = [];
  socket.on("message", (bytes, peer) => {
    const request = decodeMessage(bytes);
    received.push(request);
    for (const answer of agent(request, bytes))
      (from ?? socket).send(answer, peer.port, peer.address);
  });
  return { address, port: socket.address().port, received };
}

/** The right answer to a GET of one name, or what `changes` make of it. */
function answer(request: Message, changes: Partial<Message> = {}): Uint8Array {
  const varbinds = request.varbinds.map(({ oid }) => ({
    oid,
    tag: TAG.octetString,
    value: textValue("edge"),
  }));
  return encodeMessage({
    ...request,
    pduType: TAG.response,
    a: 0,
    b: 0,
    varbinds,
    ...changes,
  }).bytes.slice();
}

function sessionWith(
  { address, port }: Pick<Served, "address" | "port">,
  limits: Partial<SessionLimits> = {},
) {
  return openSession(
    transport,
    {
      address,
      port,
      context: "",
      credential: { version: "2c", community: "public" },
      usmKey: `${address}/${port}`,
    },
    { deadlineMs: Date.now() + 5_000, timeoutMs: 150, retries: 1, ...limits },
  );
}

const ask = (served: Pick<Served, "address" | "port">, limits: Partial<SessionLimits> = {}) =>
  getScalars(sessionWith(served, limits), [SYS_NAME]);

describe("an agent that answers", () => {
  test("is heard", async () => {
    const served = await serve((request) => [answer(request)]);

    const { outcome, table } = await ask(served);

    expect(outcome).toBe("answered");
    expect(`${Buffer.from(table.columns.get(SYS_NAME)?.bytes[0] ?? [])}`).toBe("edge");
  });

  test.skipIf(!hasIpv6)(
    "at an IPv6 address, however it is spelt, is heard (skipped without ::1)",
    async () => {
      const { port } = await serve((request) => [answer(request)], "::1");

      expect((await ask({ address: "0:0:0:0:0:0:0:1", port })).outcome).toBe("answered");
    },
  );

  test("the second time is asked again by the same id, and both answers would do", async () => {
    const served = await serve((request) =>
      served.received.length === 1 ? [] : [answer(request)],
    );
    const session = sessionWith(served);

    const { outcome, effort } = await getScalars(session, [SYS_NAME]);

    expect(outcome).toBe("answered");
    expect(effort).toMatchObject({ requests: 2, retries: 1 });
    expect(session.stats).toMatchObject({ requests: 2, retries: 1 });
    expect(new Set(served.received.map(({ requestId }) => requestId)).size).toBe(1);
  });

  test("three times is heard once; the others are late", async () => {
    const late = transport.counters.late;
    const served = await serve((request) => [1, 2, 3].map(() => answer(request)));

    expect((await ask(served)).outcome).toBe("answered");

    await vi.waitFor(() => expect(transport.counters.late).toBe(late + 2));
  });

  test("hundreds at once are all heard, over several sockets", async () => {
    const served = await serve((request) => [answer(request)]);
    const ports = new Set<number>();
    sockets.at(-1)?.on("message", (_bytes, peer) => ports.add(peer.port));

    const results = await Promise.all(
      Array.from({ length: 300 }, () => ask(served, { timeoutMs: 500, retries: 5 })),
    );

    expect(results.every(({ outcome }) => outcome === "answered")).toBe(true);
    expect(ports.size).toBeGreaterThanOrEqual(300 / 50);
    expect(transport.inFlight).toBe(0);
  });

  test("uses ids nobody can guess from the last one", async () => {
    const served = await serve((request) => [answer(request)]);
    for (let i = 0; i < 50; i++) await ask(served);

    const ids = served.received.map(({ requestId }) => requestId);
    expect(new Set(ids).size).toBe(50);
    expect(ids.every((id) => id >= 0x0100_0000 && id <= 0x7fff_ffff)).toBe(true);
    const steps = ids.map((id, i) => id - (ids[i - 1] ?? 0));
    expect(new Set(steps).size).toBeGreaterThan(40);
  });
});

describe("an agent that does not answer as it should", () => {
  const other = (request: Message) => answer(request, { community: textValue("other") });
  test.each<[string, Agent, string, RegExp]>([
    ["never", () => [], "silent", /^No answer to 2 requests of 150 ms$/],
    ["with octets that are no SNMP", () => [Buffer.from("hello")], "malformed", /not SNMP/],
    ["with another id", (r) => [answer(r, { requestId: 7 })], "malformed", /wrong request id/],
    ["with another community", (r) => [other(r)], "malformed", /another community/],
    ["in another version", (r) => [answer(r, { version: 0 })], "malformed", /another version/],
    ["with a Report", (r) => [answer(r, { pduType: TAG.report })], "malformed", /a Report/],
    [
      "with a request",
      (r) => [answer(r, { pduType: TAG.getRequest })],
      "malformed",
      /PDU of type 160/,
    ],
    ["with its head alone", (r) => [answer(r).slice(0, 24)], "malformed", /cut off/],
    ["with the request itself", (_r, bytes) => [bytes], "malformed", /PDU of type 160/],
  ])("%s has an outcome with a reason", async (_what, agent, outcome, reason) => {
    const result = await ask(await serve(agent));

    expect(result.outcome).toBe(outcome);
    expect(result.reason).toMatch(reason);
    expect(transport.inFlight).toBe(0);
  });

  test("from its own port is not believed, and the reason says where it came from", async () => {
    const spoofed = transport.counters.spoofed;
    const elsewhere = await bound("127.0.0.1");
    const served = await serve((request) => [answer(request)], "127.0.0.1", elsewhere);

    expect(await ask(served)).toMatchObject({
      outcome: "silent",
      reason: `Answers come from 127.0.0.1 port ${elsewhere.address().port} instead`,
    });
    expect(transport.counters.spoofed).toBe(spoofed + 2);
  });

  test("any more is silent, whatever it sent too often before", async () => {
    const late = transport.counters.late;
    let isAlive = true;
    const served = await serve((request) => (isAlive ? [answer(request), answer(request)] : []));
    await ask(served);
    await vi.waitFor(() => expect(transport.counters.late).toBe(late + 1));
    isAlive = false;

    expect(await ask(served)).toMatchObject({ outcome: "silent" });
  });

  test("at once but badly does not keep the right answer from being heard", async () => {
    const served = await serve((request) => [
      Buffer.from("noise"),
      answer(request, { requestId: 99 }),
      answer(request, { community: textValue("wrong") }),
      answer(request),
    ]);

    expect((await ask(served)).outcome).toBe("answered");
  });
});

describe("limits", () => {
  test("nothing is sent after the deadline, and nothing waited for", async () => {
    const served = await serve(() => []);
    const startedAtMs = Date.now();

    const { outcome, reason } = await ask(served, {
      deadlineMs: startedAtMs + 200,
      timeoutMs: 10_000,
      retries: 50,
    });

    expect([outcome, reason]).toEqual(["silent", "The deadline has passed"]);
    expect(Date.now() - startedAtMs).toBeLessThan(1_000);
    expect(served.received).toHaveLength(1);
  });

  test("a poll that may no longer send sends nothing more, not even a retry", async () => {
    let isHeld = true;
    const served = await serve(() => {
      isHeld = false;
      return [];
    });

    expect(await ask(served, { retries: 5, mayStillSend: () => isHeld })).toMatchObject({
      outcome: "silent",
      reason: "The poll may no longer send",
    });
    expect(served.received).toHaveLength(1);
  });

  test("a router never has more than two requests to answer", async () => {
    let open = 0;
    let most = 0;
    const socket = await bound("127.0.0.1");
    socket.on("message", (bytes, peer) => {
      most = Math.max(most, ++open);
      setImmediate(() => {
        open--;
        socket.send(answer(decodeMessage(bytes)), peer.port, peer.address);
      });
    });
    const session = sessionWith({ address: "127.0.0.1", port: socket.address().port });

    const results = await Promise.all(
      Array.from({ length: 20 }, () => getScalars(session, [SYS_NAME])),
    );

    expect(results.every(({ outcome }) => outcome === "answered")).toBe(true);
    expect(most).toBe(2);
  });

  test("a retry asks for fewer rows", async () => {
    const served = await serve((request) =>
      request.b > 3
        ? []
        : [
            answer(request, {
              varbinds: [
                { oid: encodeOid(`${COLUMN}.1`), tag: TAG.counter64, value: counter64Value(5n) },
                { oid: encodeOid("1.3.6.1.9"), tag: TAG.counter64, value: counter64Value(5n) },
              ],
            }),
          ],
    );
    const session = sessionWith(served, { retries: 3, timeoutMs: 60 });

    const { outcome, effort, table } = await walkColumns(session, [COLUMN], { rowsMax: 10 });

    expect(outcome).toBe("answered");
    expect(table.instances).toEqual(["1"]);
    expect(served.received.slice(0, 3).map(({ b }) => b)).toEqual([10, 5, 2]);
    expect(effort.remarks[0]).toBe("1 columns × 10 rows: no answer in time");
  });

  test("a name or a port that is none is unreachable", async () => {
    expect(await ask({ address: "router.example", port: 161 })).toMatchObject({
      outcome: "unreachable",
    });
    expect(await ask({ address: "127.0.0.1", port: 0 })).toMatchObject({ outcome: "unreachable" });
  });

  test("an address the system will not send to is unreachable, at once and by name", async () => {
    const startedAtMs = Date.now();

    // The limited broadcast address: sending there needs a socket option that ours do not set.
    const { outcome, reason } = await ask(
      { address: "255.255.255.255", port: 9 },
      { timeoutMs: 5_000 },
    );

    expect(outcome).toBe("unreachable");
    expect(reason).toMatch(/^Cannot send: E(ACCES|NETUNREACH)$/);
    expect(Date.now() - startedAtMs).toBeLessThan(2_000);
  });

  test("a transport that is stopped ends what waits, and sends nothing more", async () => {
    const own = await openTransport();
    const served = await serve(() => []);
    const { port, received } = served;
    const credential = { version: "2c", community: "public" } as const;
    const target = { address: "127.0.0.1", port, context: "", credential, usmKey: "" };
    const session = openSession(own, target, {
      deadlineMs: Date.now() + 60_000,
      timeoutMs: 60_000,
      retries: 3,
    });
    const waiting = getScalars(session, [SYS_NAME]);
    await vi.waitFor(() => expect(received).toHaveLength(1));

    await own.stop();

    expect(await waiting).toMatchObject({
      outcome: "silent",
      reason: "The transport has been stopped",
    });
    expect(await getScalars(session, [SYS_NAME])).toMatchObject({
      reason: "The transport has been stopped",
    });
  });
});

describe("20,000 datagrams that nobody can be prepared for", () => {
  test("leave the transport as it was", async () => {
    const seed = 161;
    const dice = seededRandom(seed);
    const served = await serve((request) => {
      const bytes = answer(request);
      return Array.from({ length: 50 }, () => {
        const octets = bytes.slice(
          0,
          dice() < 0.3 ? Math.floor(dice() * bytes.length) : bytes.length,
        );
        for (let changes = Math.floor(dice() * 5); changes > 0; changes--) {
          octets[Math.floor(dice() * octets.length)] = Math.floor(dice() * 256);
        }
        return octets;
      });
    });

    for (let round = 0; round < 40; round++) {
      const results = await Promise.all(
        Array.from({ length: 10 }, () => ask(served, { timeoutMs: 300 })),
      );
      for (const { outcome } of results) {
        expect(["answered", "partial", "malformed", "refused", "silent"], `seed ${seed}`).toContain(
          outcome,
        );
      }
    }

    expect(transport.inFlight).toBe(0);
    const healthy = await serve((request) => [answer(request)]);
    expect((await ask(healthy)).outcome).toBe("answered");
  });
});
