import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { ExposedMetrics } from "../../../src/modules/exposed-metrics.ts";
import { exposition } from "../../../src/modules/exposition.ts";
import { loadModules } from "../../../src/modules/load-modules.ts";
import { PROJECT, projectFileAt, readComposeFile } from "./compose-file.ts";
import { metricsIn } from "./promql.ts";

const grafana = join(PROJECT, "config", "grafana");
const compose = readComposeFile();

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; query: unknown }[];
  };
}

const dashboards = readdirSync(join(grafana, "dashboards")).map((file) => ({
  file,
  dashboard: readJson<Dashboard>(join(grafana, "dashboards", file)),
}));

let known: ReadonlySet<string>;

beforeAll(async () => {
  known = new Set(["up", ...(await platformMetrics()), ...(await tenantMetrics())]);
});

/** Our own metrics as Prometheus will have them: a histogram is three families there. */
async function platformMetrics(): Promise<string[]> {
  const families = await createMetrics().registry.getMetricsAsJSON();
  return families.flatMap(({ name, type }) =>
    String(type) === "histogram" ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
  );
}

/** What a tenant's routers may show: the metrics of every module, and those of the routers themselves. */
async function tenantMetrics(): Promise<string[]> {
  const modules = await loadModules(join(PROJECT, "config", "modules"));
  const router = {
    id: "r",
    name: "r",
    zone: "default",
    labels: {},
    intervalSeconds: 60,
    up: true,
    lastPolledAtMs: 0,
  };
  let text = "";
  for await (const chunk of exposition({ modules, routers: [router], nowMs: 0 }, [], [])) {
    text += chunk;
  }
  const ofRouters = [...text.matchAll(/^# TYPE (\S+)/gm)].flatMap(([, name]) => name ?? []);
  const ofModules = [...new ExposedMetrics(modules).families].map(({ family }) => family);
  return [...ofRouters, ...ofModules];
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, "utf8")) as T; // Files of ours, whose shape the tests below look at.
}

test("dashboards have identities of their own, and so have their panels", () => {
  const uids = dashboards.map(({ dashboard }) => dashboard.uid);
  const titles = dashboards.map(({ dashboard }) => dashboard.title);

  expect(new Set(uids).size).toBe(uids.length);
  expect(new Set(titles).size).toBe(titles.length);
  for (const { file, dashboard } of dashboards) {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size, file).toBe(ids.length);
  }
});

test("every panel asks the data source the reader chose", () => {
  const others = dashboards.flatMap(({ file, dashboard }) =>
    dashboard.panels
      .filter(
        ({ type, datasource }) =>
          type !== "row" && !/^\$\{DS_PROMETHEUS\}$/.test(datasource?.uid ?? ""),
      )
      .map(({ title }) => `${file}: ${title}`),
  );

  expect(others).toEqual([]);
});

test("every expression of a dashboard names metrics that exist", () => {
  const unknown = dashboards.flatMap(({ file, dashboard }) => {
    const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets);
    const variables = dashboard.templating.list.filter(({ type }) => type === "query");
    const asked = [
      ...expressions.flatMap(({ expr }) => metricsIn(expr)),
      ...variables.flatMap(({ query }) => metricsIn((query as { query: string }).query)),
    ];
    expect(asked.length, file).toBeGreaterThan(0);
    return asked.filter((name) => !known.has(name)).map((name) => `${file}: ${name}`);
  });

  expect(unknown).toEqual([]);
});

test("every alert names metrics that exist", () => {
  const { groups } = readYaml<{ groups: { rules: { alert: string; expr: string }[] }[] }>(
    "config/prometheus/alerts.yml",
  );
  const rules = groups.flatMap(({ rules }) => rules);

  expect(rules.length).toBeGreaterThan(0);
  for (const { alert, expr } of rules) {
    expect(
      metricsIn(expr).filter((name) => !known.has(name)),
      alert,
    ).toEqual([]);
  }
});

test("Grafana is provisioned from files that exist, with the data source the dashboards begin with", () => {
  const provisioning = "config/grafana/provisioning";
  const { datasources } = readYaml<{ datasources: { uid: string; url: string }[] }>(
    `${provisioning}/datasources/prometheus.yaml`,
  );
  const { providers } = readYaml<{ providers: { options: { path: string } }[] }>(
    `${provisioning}/dashboards/fairwalk.yaml`,
  );
  const service = compose.services["grafana"];
  if (service === undefined) throw new Error("docker-compose.yml has no service grafana");

  const folders = providers.map(({ options }) => projectFileAt(service, options.path));
  const chosen = dashboards.map(
    ({ dashboard }) => dashboard.templating.list.find(({ type }) => type === "datasource")?.name,
  );

  expect(folders).toEqual([join(grafana, "dashboards")]);
  expect(projectFileAt(service, "/etc/grafana/provisioning")).toBe(join(PROJECT, provisioning));
  expect(new Set(chosen)).toEqual(new Set(["DS_PROMETHEUS"]));
  for (const { url } of datasources) {
    expect(Object.keys(compose.services)).toContain(new URL(url).hostname);
  }
});

test("Prometheus scrapes services of the Compose file with credentials it can read", () => {
  const service = compose.services["prometheus"];
  const config = readYaml<{
    rule_files: string[];
    scrape_configs: {
      authorization?: { credentials_file: string };
      dns_sd_configs?: { names: string[] }[];
    }[];
  }>("config/prometheus/prometheus.yml");
  const names = config.scrape_configs.flatMap(({ dns_sd_configs = [] }) =>
    dns_sd_configs.flatMap((it) => it.names),
  );
  const files = config.scrape_configs.flatMap(
    ({ authorization }) => authorization?.credentials_file ?? [],
  );

  expect(names).toEqual(["scheduler", "worker", "api"]);
  expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(names));
  expect(service?.volumes).toContain("monitoring-secrets:/secrets:ro");
  expect(files.filter((file) => !file.startsWith("/secrets/"))).toEqual([]);
  expect(config.rule_files).toEqual(["alerts.yml"]);
});

test.each([
  [
    'sum by (zone) (fairwalk_worker_slots{state="busy"}) / on (zone) up',
    ["fairwalk_worker_slots", "up"],
  ],
  ["histogram_quantile(0.9, sum by (le) (rate(a_bucket[$__rate_interval]))) > 1e3", ["a_bucket"]],
  ['label_values(ifOperStatus{router=~"$router"}, ifName)', ["ifOperStatus"]],
  ["a or b unless ignoring (c) d offset 5m", ["a", "b", "d"]],
])("metrics are told from the rest of %s", (expression, metrics) => {
  expect(metricsIn(expression)).toEqual(metrics);
});

function readYaml<T>(path: string): T {
  return parse(readFileSync(join(PROJECT, path), "utf8")) as T; // As readJson.
}
