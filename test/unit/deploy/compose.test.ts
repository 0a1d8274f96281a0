import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readEnvironment } from "../../../src/config/environment.ts";
import type { ConfigProblem } from "../../../src/config/problems.ts";
import { type ComposeService, mountsOf, PROJECT, readComposeFile } from "./compose-file.ts";

const compose = readComposeFile();
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image === "fairwalk:local");

/** What `project` finds in each service, as `service: finding`. */
function findings(project: (service: ComposeService, name: string) => readonly string[]): string[] {
  return services.flatMap(([name, service]) =>
    project(service, name).map((finding) => `${name}: ${finding}`),
  );
}

test("every service has an image of a stated version, and ours is built here", () => {
  const without = findings(({ image, build }) =>
    image?.includes(":") === true && (image !== "fairwalk:local" || build === ".") ? [] : ["image"],
  );

  expect(without).toEqual([]);
});

test("every service that is waited for exists and can meet the condition", () => {
  const broken = findings(({ depends_on = {} }) =>
    Object.entries(depends_on).flatMap(([name, { condition }]) => {
      const needed = compose.services[name];
      if (needed === undefined) return [`${name} is no service`];
      const isOneShot = needed.restart === "no";
      if (condition === "service_completed_successfully") return isOneShot ? [] : [`${name} stays`];
      const hasHealth = needed.healthcheck?.disable !== true && !isOneShot;
      return condition === "service_healthy" && hasHealth ? [] : [`${name} has no health`];
    }),
  );

  expect(broken).toEqual([]);
});

test("every volume and network that is used is declared, and every one declared is used", () => {
  const volumes = services.flatMap(([, service]) =>
    mountsOf(service)
      .map(({ source }) => source)
      .filter((source) => !source.startsWith("./")),
  );
  const networks = services.flatMap(([, { networks = [] }]) =>
    Array.isArray(networks) ? networks : Object.keys(networks),
  );

  expect([...new Set(volumes)].sort()).toEqual(Object.keys(compose.volumes).sort());
  expect([...new Set(networks), "default"].filter((it) => it !== "default").sort()).toEqual(
    Object.keys(compose.networks).sort(),
  );
});

test("every file that is mounted exists, read-only", () => {
  const broken = findings((service) =>
    mountsOf(service)
      .filter(({ source }) => source.startsWith("./"))
      .filter(({ source, readOnly }) => !readOnly || !existsSync(join(PROJECT, source)))
      .map(({ source }) => source),
  );

  expect(broken).toEqual([]);
});

test("every variable given to Fairwalk is one it knows", () => {
  const unknown = ours.flatMap(([, { environment = {} }]) => {
    const problems: ConfigProblem[] = [];
    readEnvironment(environment, problems);
    return problems.filter(({ reason }) => reason.startsWith("unknown variable"));
  });

  expect(unknown).toEqual([]);
});

test("secrets come from files of mounted volumes, and none stands in the file", () => {
  const broken = findings(({ environment = {}, ...service }) => {
    const inline = Object.keys(environment).filter((it) => /PASSWORD$|TOKEN$|KEY$/.test(it));
    const files = Object.entries(environment).filter(([name]) => name.endsWith("_FILE"));
    const targets = mountsOf(service).map(({ target }) => `${target}/`);
    const elsewhere = files.filter(([, path]) => !targets.some((it) => path.startsWith(it)));
    return [...inline, ...elsewhere.map(([name]) => name)];
  });

  expect(broken).toEqual([]);
});

test("only one-shot services run as root, and only Fairwalk's roles can reach the database", () => {
  const roots = ours.filter(([, { user, restart }]) => user?.startsWith("0") && restart !== "no");
  const onStorage = services
    .filter(([, { networks = [] }]) => Array.isArray(networks) && networks.includes("storage"))
    .map(([name]) => name);

  expect(roots).toEqual([]);
  expect(onStorage.sort()).toEqual(["api", "migrate", "postgres", "redis", "scheduler", "worker"]);
});

test("nothing is published beyond this machine", () => {
  const open = findings(({ ports = [] }) => ports.filter((it) => !it.startsWith("127.0.0.1:")));

  expect(open).toEqual([]);
});
