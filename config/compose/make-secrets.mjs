/**
 * Generates the secrets of the Compose deployment, each once: a second run changes nothing. Every volume holds what its
 * readers need and no more: Postgres never sees the master key, Prometheus never sees the database.
 *
 * Files are readable by all, because the images run as different users; who may read is decided by who mounts the volume.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const root = process.argv[2] ?? "/secrets";
const postgres = `${root}/postgres`;
const platform = `${root}/platform`;
const monitoring = `${root}/monitoring`;

const random = () => randomBytes(32).toString("base64url");

keep(`${postgres}/superuser-password`, random);
const password = keep(`${postgres}/fairwalk-password`, random);
keep(`${platform}/database-url`, () => `postgres://fairwalk:${password}@postgres:5432/fairwalk`);
keep(`${platform}/master-key`, () => randomBytes(32).toString("base64"));
const adminToken = keep(`${platform}/admin-token`, random);
keep(`${monitoring}/admin-token`, () => adminToken);
keep(`${monitoring}/grafana-password`, random);
// Prometheus watches this folder for targets from its start on.
mkdirSync(`${monitoring}/tenants`, { recursive: true });

/** The secret in `file`, generated if there is none. It appears whole or not at all. */
function keep(file, generate) {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, `${generate()}\n`, { mode: 0o444, flush: true });
    renameSync(`${file}.new`, file);
    console.log(`generated ${file}`);
  }
  return readFileSync(file, "utf8").trim();
}
