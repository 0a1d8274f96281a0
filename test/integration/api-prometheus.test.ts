import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import type { PollOutcome, RouterId } from "../../src/routers/router.ts";
import type { SampleBlock } from "../../src/routers/samples.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { saveTextFacts } from "../../src/storage/facts.ts";
import { withTenant } from "../../src/storage/pool.ts";
import { registerShapes } from "../../src/storage/shapes.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import {
  type Answer,
  type ApiFixture,
  newCredential,
  openApiFixture,
  routerBodies,
  type TenantCaller,
} from "./api-fixture.ts";

let api: ApiFixture;
let tenant: TenantCaller;
let core: RouterId;

const NOW = Math.floor(Date.now() / 60_000) * 60_000;
const ROUTERS = 12;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"), { clock: { now: () => NOW } });
  tenant = await api.newTenant("prometheus");
  const body = routerBodies(await newCredential(tenant.call));
  const register = async (changes: object): Promise<RouterId> =>
    (await tenant.call("POST", "/v1/routers", body({ intervalSeconds: 60, ...changes }))).body.id;

  core = await register({ name: "core", address: "192.0.2.1", labels: { site: "berlin" } });
  await store(core, "answered");
  await withTenant(api.storage.app, tenant.id as TenantId, (client) =>
    saveTextFacts(
      client,
      core,
      [{ module: "system", metric: "sysDescr", instance: "", labels: {}, value: "Router OS 7" }],
      new Date(NOW),
    ),
  );
  await store(await register({ name: "silent", address: "192.0.2.2" }), "silent");
  await register({ name: "never polled", address: "192.0.2.3" });
  await register({ name: "disabled", address: "192.0.2.4", enabled: false });
  await register({ name: "twin a", address: "2001:db8::5", port: 1_161 });
  await register({ name: "twin b", address: "2001:db8::5", port: 1_162 });
  for (let i = 0; i < ROUTERS; i++) {
    await store(await register({ name: `edge-${i}`, address: `198.51.100.${i}` }), "answered");
  }
});

afterAll(() => api.close());

async function store(routerId: RouterId, outcome: PollOutcome): Promise<void> {
  const tenantId = tenant.id as TenantId;
  const block: SampleBlock = {
    module: "if_mib",
    metrics: ["ifHCInOctets"],
    instances: ["1", "2"],
    labels: [
      { ifIndex: "1", ifName: "eth1", ifDescr: "Ethernet 1", ifAlias: "" },
      { ifIndex: "2", ifName: "eth2", ifDescr: "Ethernet 2", ifAlias: "" },
    ],
    values: BigInt64Array.from([7n, 8n]),
    present: Uint8Array.from([1, 1]),
  };
  await registerShapes(api.storage.app, tenantId, [block]);
  const report = { outcome, requests: 3, retries: 1, rows: 2, varbinds: 12, walkMs: 30 };
  const poll = {
    tenantId,
    routerId,
    polledAtMs: NOW - 20_000,
    dueAtMs: NOW - 20_030,
    startedAtMs: NOW - 20_010,
    durationMs: 40,
    outcome,
    costMs: 40,
    requests: 3,
    retries: 1,
    bytesIn: 500,
    modules: [
      { module: "if_mib", ...report },
      { module: "system", ...report, rows: 0 },
    ],
  };
  const blocks = outcome === "answered" ? [block] : [];
  await openSampleWriter(api.storage.ingest).flush({
    flushId: uuidv7(),
    results: [{ poll, blocks }],
  });
}

function seriesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

describe("GET /v1/metrics", () => {
  it("shows one router alone, by name, id or address", async () => {
    for (const router of ["core", core, "192.0.2.1", "192.0.2.1:161"]) {
      const { text, status } = await tenant.call("GET", `/v1/metrics?router=${router}`);
      expect(status).toBe(200);
      expect(seriesOf(text).filter((it) => it.startsWith("ifHCInOctets"))).toHaveLength(2);
      expect(seriesOf(text).every((it) => it.includes(`router_id="${core}"`))).toBe(true);
    }
  });

  it("splits routers into parts that together are the whole, and share nothing", async () => {
    const whole = await tenant.call("GET", "/v1/metrics");
    for (const shards of [
      ["1/3", "2/3", "3/3"],
      ["0/2", "1/2"],
    ]) {
      const parts: Answer[] = [];
      for (const shard of shards)
        parts.push(await tenant.call("GET", `/v1/metrics?shard=${shard}`));

      expect(parts.flatMap((it) => seriesOf(it.text)).toSorted()).toEqual(
        seriesOf(whole.text).toSorted(),
      );
    }
  });

  it("names what is wrong with a shard", async () => {
    for (const shard of ["4/3", "1/0", "x", "-1/2"]) {
      const { status, body } = await tenant.call("GET", `/v1/metrics?shard=${shard}`);
      expect([shard, status]).toEqual([shard, 400]);
      expect(body.errors[0].pointer).toBe("/shard");
    }
  });

  it("is compressed for those who ask", async () => {
    const key = `Bearer ${tenant.key}`;
    const plain = await tenant.call("GET", "/v1/metrics");
    const answer = await api.app.inject({
      url: "/v1/metrics",
      headers: { authorization: key, "accept-encoding": "gzip" },
    });

    expect(answer.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(answer.rawPayload).toString()).toBe(plain.text);
  });
});

describe("GET /snmp", () => {
  it("has one router's series with snmp_exporter's labels alone", async () => {
    const { text, status } = await tenant.call("GET", "/snmp?target=core");

    expect(status).toBe(200);
    expect(seriesOf(text)).toContain(
      'ifHCInOctets{ifAlias="",ifDescr="Ethernet 1",ifIndex="1",ifName="eth1"} 7',
    );
    expect(seriesOf(text)).toContain('sysDescr{sysDescr="Router OS 7"} 1');
    expect(text).not.toContain("router_id");
    expect(text).not.toContain("fairwalk_");
  });

  it("says how the poll went as snmp_exporter says how its scrape went", async () => {
    const { text } = await tenant.call("GET", "/snmp?target=core&module=if_mib&auth=public_v2");

    expect(seriesOf(text)).toEqual(
      expect.arrayContaining([
        'snmp_scrape_duration_seconds{module="if_mib"} 0.04',
        'snmp_scrape_packets_sent{module="if_mib"} 3',
        'snmp_scrape_packets_retried{module="if_mib"} 1',
        'snmp_scrape_walk_duration_seconds{module="if_mib"} 0.03',
        'snmp_scrape_pdus_returned{module="if_mib"} 12',
      ]),
    );
    expect(text).not.toContain("sysDescr");
  });

  it("takes modules repeated or separated by commas, and refuses those that are not loaded", async () => {
    for (const query of ["module=if_mib&module=system", "module=if_mib,system"]) {
      const { text } = await tenant.call("GET", `/snmp?target=core&${query}`);
      expect(text).toContain("sysDescr{");
      expect(text).toContain("ifHCInOctets{");
    }
    const refused = await tenant.call("GET", "/snmp?target=core&module=absent");
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([400, "/module"]);
  });

  it("fails for a router that does not answer, so that `up` is 0", async () => {
    for (const target of ["silent", "never polled"]) {
      const { status, body } = await tenant.call("GET", `/snmp?target=${encodeURI(target)}`);
      expect([target, status, body.code]).toEqual([target, 504, "router-silent"]);
    }
  });

  it("names the choices when an address is several routers'", async () => {
    const several = await tenant.call("GET", "/snmp?target=2001:db8::5");
    expect(several.status).toBe(400);
    expect(several.body.detail).toMatch(/"twin a" .*"twin b"/);

    const one = await tenant.call("GET", "/snmp?target=[2001:db8::5]:1162");
    expect(one.body.code).toBe("router-silent");
    expect((await tenant.call("GET", "/snmp?target=192.0.2.99")).status).toBe(404);
    expect((await tenant.call("GET", "/snmp")).status).toBe(400);
  });
});

describe("GET /v1/sd/prometheus", () => {
  it("lists every enabled router as a target that answers for that router", async () => {
    const { body, status, headers } = await tenant.call("GET", "/v1/sd/prometheus");

    expect(status).toBe(200);
    expect(headers["content-type"]).toMatch(/^application\/json/);
    expect(body).toHaveLength(5 + ROUTERS);
    const target = body.find((it: { labels: object }) => "__meta_fairwalk_label_site" in it.labels);
    expect(target.labels).toMatchObject({
      __metrics_path__: "/snmp",
      __param_target: core,
      __meta_fairwalk_router_name: "core",
      __meta_fairwalk_router_address: "192.0.2.1",
      __meta_fairwalk_zone: "default",
      __meta_fairwalk_label_site: "berlin",
      instance: "core",
    });
    const path = `${target.labels.__metrics_path__}?target=${target.labels.__param_target}`;
    expect((await tenant.call("GET", path)).status).toBe(200);
  });

  it("is an empty list for a tenant without routers", async () => {
    const other = await api.newTenant("no-routers");

    expect((await other.call("GET", "/v1/sd/prometheus")).body).toEqual([]);
  });

  it("carries no secret", async () => {
    const { text } = await tenant.call("GET", "/v1/sd/prometheus");

    expect(text).not.toContain(tenant.key);
    expect(text).not.toContain("public");
  });
});
