import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { AnswerLimits } from "../../src/routers/router.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { openSession } from "../../src/snmp/session.ts";
import { openTransport } from "../../src/snmp/transport.ts";
import { walkColumns } from "../../src/snmp/walk.ts";
import { saveAnswerLimits } from "../../src/storage/answer-limits.ts";
import { routersForPolling } from "../../src/storage/polling.ts";
import { withTenant } from "../../src/storage/pool.ts";
import { openStorageFixture, type StorageFixture } from "../storage-fixture.ts";

/** What a worker learns about the sizes of answers serves the next worker, through Postgres. */

const COLUMNS = [10, 11, 13, 14, 16, 17, 19, 20].map((column) => `1.3.6.1.2.1.2.2.1.${column}`);
/** An agent with small messages. */
const MESSAGE_BYTES_MAX = 500;

let storage: StorageFixture;
let simulator: Simulator;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  simulator = await startSimulator({
    generate: 1,
    interfaces: 40,
    messageBytesMax: MESSAGE_BYTES_MAX,
  });
});

afterAll(async () => {
  await simulator?.stop();
  await storage?.close();
});

/** One poll by a worker that has just been started, knowing what it is told. */
async function pollAfresh(answerLimits: Readonly<Record<string, AnswerLimits>>) {
  const transport = await openTransport();
  const { address = "", port = 0 } = simulator.routers[0] ?? {};
  const session = openSession(
    transport,
    {
      address,
      port,
      context: "",
      credential: { version: "2c", community: "public" },
      usmKey: "small",
      answerLimits,
    },
    { deadlineMs: Date.now() + 30_000, timeoutMs: 5_000, retries: 2 },
  );
  const walked = await walkColumns(session, COLUMNS, { rowsMax: 1_000 });
  await transport.stop();
  return { walked, learnt: session.learnt, requests: session.stats.requests };
}

describe("the sizes of a router's answers", () => {
  test("are learnt by one worker, stored for its tenant alone, and used by the next", async () => {
    const tenant = await storage.newTenant("limits");
    const other = await storage.newTenant("limits-of-others");
    const router = await storage.newRouter(tenant);
    const known = async () => {
      const routers = await routersForPolling(storage.app, storage.masterKey, tenant.id, [
        router.id,
      ]);
      return routers.get(router.id)?.answerLimits;
    };
    expect(await known()).toEqual({});

    const first = await pollAfresh({});
    const learnt = [...first.learnt].map(([walk, limits]) => {
      return { routerId: router.id, walk, limits };
    });
    expect(learnt).toHaveLength(1);
    const learntAt = new Date();
    await withTenant(storage.app, tenant.id, (client) =>
      saveAnswerLimits(client, learnt, learntAt),
    );
    // Of another tenant's router nothing is stored, whoever says so.
    await withTenant(storage.app, other.id, (client) => saveAnswerLimits(client, learnt, learntAt));

    const { rows } = await storage.owner.query("select tenant_id from answer_limits");
    expect(rows).toEqual([{ tenant_id: tenant.id }]);
    const answerLimits = (await known()) ?? {};
    expect(answerLimits).toEqual(Object.fromEntries(first.learnt));
    const second = await pollAfresh(answerLimits);
    expect(second.walked.table).toEqual(first.walked.table);
    expect(second.requests).toBeLessThanOrEqual(first.requests);
    expect([...second.learnt]).toEqual([]);
  });
});
