import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** The project's folder: deployment files name their neighbours relative to it. */
export const PROJECT = join(import.meta.dirname, "..", "..", "..");

/** A service of docker-compose.yml, as far as the tests look at it. */
export interface ComposeService {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly disable?: boolean; readonly test?: readonly string[] };
  readonly profiles?: readonly string[];
  readonly restart?: string;
  readonly user?: string;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export interface Mount {
  /** A path of the project (`./…`) or a named volume. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export function readComposeFile(): ComposeFile {
  const text = readFileSync(join(PROJECT, "docker-compose.yml"), "utf8");
  return parse(text, { merge: true }) as ComposeFile;
}

export function mountsOf(service: ComposeService): Mount[] {
  return (service.volumes ?? []).map((text) => {
    const [source = "", target = "", mode] = text.split(":");
    return { source, target, readOnly: mode === "ro" };
  });
}

/** The file of the project that a container sees at `path`; undefined when it comes from elsewhere. */
export function projectFileAt(service: ComposeService, path: string): string | undefined {
  const mount = mountsOf(service).find(
    ({ source, target }) =>
      source.startsWith("./") && (path === target || path.startsWith(`${target}/`)),
  );
  return mount && join(PROJECT, mount.source, path.slice(mount.target.length));
}
