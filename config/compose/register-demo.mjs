/**
 * Registers the demo ISP through the API, as any customer would: a tenant, its API keys, a credential and the routers of
 * the service `simulator`. A second run changes nothing. Prometheus finds the tenant by the target file written here.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const API = "http://api:8080";
const SLUG = "demo";
const COMMUNITY = "public";
const READY_ATTEMPTS_MAX = 60;
const ROUTERS = { address: "198.51.100.10", portBase: 16_100, count: 20 };

const platform = "/secrets/platform";
const monitoring = "/secrets/monitoring";
const adminToken = readFileSync(`${platform}/admin-token`, "utf8").trim();
const asAdmin = caller(adminToken);

await apiReady();
const tenant =
  (await everyTenant()).find(({ slug }) => slug === SLUG) ??
  (await asAdmin("POST", "/v1/tenants", { name: "Demo ISP", slug: SLUG, tier: "business" }));
const ownKey = await keptKey(`${platform}/demo-api-key`, { name: "demo", role: "owner" });
await keptKey(`${monitoring}/demo-metrics-key`, {
  name: "prometheus",
  role: "viewer",
  scopes: ["metrics:read"],
});

const asTenant = caller(ownKey);
const { items: credentials } = await asTenant("GET", "/v1/credentials");
if (credentials.length === 0) {
  await asTenant("POST", "/v1/credentials", {
    name: "demo",
    version: "2c",
    community: COMMUNITY,
  });
}
const { created, unchanged } = await asTenant("POST", "/v1/routers/import", {
  routers: Array.from({ length: ROUTERS.count }, (_, i) => ({
    name: `demo-${String(i + 1).padStart(2, "0")}`,
    address: ROUTERS.address,
    port: ROUTERS.portBase + i,
    credential: "demo",
    intervalSeconds: 10,
  })),
});
write(
  `${monitoring}/tenants/${SLUG}.json`,
  JSON.stringify([{ targets: [new URL(API).host], labels: { tenant: SLUG } }]),
);
console.log(`tenant "${SLUG}": ${created} routers registered, ${unchanged} were there already`);

/** The container's health says that the API runs; whether it reaches Postgres is another question. */
async function apiReady() {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(`${API}/readyz`).catch((error) => error);
    if (answer.ok) return;
    if (attempt === READY_ATTEMPTS_MAX) throw new Error("The API is not ready", { cause: answer });
    await delay(1_000);
  }
}

async function everyTenant() {
  const tenants = [];
  for (let cursor = ""; ; ) {
    const page = await asAdmin("GET", `/v1/tenants?limit=100${cursor && `&cursor=${cursor}`}`);
    tenants.push(...page.items);
    if (!page.next) return tenants;
    cursor = encodeURIComponent(page.next);
  }
}

/** An API shows a key once, so it is kept; a lost file means another key, and the old one can be revoked. */
async function keptKey(file, body) {
  if (!existsSync(file)) {
    const { key } = await asAdmin("POST", `/v1/tenants/${tenant.id}/api-keys`, body);
    write(file, key);
  }
  return readFileSync(file, "utf8").trim();
}

function write(file, text) {
  writeFileSync(`${file}.new`, `${text}\n`, { mode: 0o444, flush: true });
  renameSync(`${file}.new`, file);
}

function caller(token) {
  return async (method, path, body) => {
    const response = await fetch(API + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) {
      throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    }
    return await response.json();
  };
}
