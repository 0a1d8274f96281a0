import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problems.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairwalk-config-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function fileWith(text: string): string {
  const file = join(directory, "fairwalk.yaml");
  writeFileSync(file, text);
  return file;
}

function problemKeys(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ key }) => key);
    throw error;
  }
  return [];
}

describe("loadConfig", () => {
  it("runs on the shipped defaults alone", () => {
    const config = loadConfig({});

    expect(config.worker.concurrency).toBe(200);
    expect(config.listen).toEqual({ host: "127.0.0.1", port: 8080 });
    expect(config.servedZones).toEqual(["default"]);
    expect(config.tiers.enterprise.weight).toBe(16);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("has the shipped file say the same as the defaults in the code", () => {
    const shipped = loadConfig({});
    const empty = loadConfig({ FAIRWALK_CONFIG: fileWith("{}") });

    for (const section of [
      "zones",
      "scheduler",
      "worker",
      "writer",
      "api",
      "targets",
      "log",
    ] as const) {
      expect(empty[section]).toEqual(shipped[section]);
    }
  });

  it("reports every problem at once, each with its key", () => {
    const file = fileWith(
      "worker: { concurrency: 0, requestTimeout: 5 }\nschedular: {}\napi: { bodyBytesMax: big }\n",
    );

    const keys = problemKeys({
      FAIRWALK_CONFIG: file,
      FAIRWALK_LISTEN: "8080",
      FAIRWALK_MASTER_KEY: "short",
      FAIRWALK_CONCURENCY: "7",
      DATABASE_URL: "mysql://x",
    });

    expect(keys.sort()).toEqual(
      [
        "DATABASE_URL",
        "FAIRWALK_CONCURENCY",
        "FAIRWALK_LISTEN",
        "FAIRWALK_MASTER_KEY",
        `${file}: api.bodyBytesMax`,
        `${file}: schedular`,
        `${file}: worker.concurrency`,
        `${file}: worker.requestTimeout`,
      ].sort(),
    );
  });

  it("reads a secret from the file that its _FILE variable names", () => {
    const tokenFile = join(directory, "token");
    writeFileSync(tokenFile, "0123456789abcdef0123\n");

    expect(loadConfig({ FAIRWALK_ADMIN_TOKEN_FILE: tokenFile }).adminToken).toBe(
      "0123456789abcdef0123",
    );
  });

  it("refuses a secret that is given twice", () => {
    const tokenFile = join(directory, "token");
    writeFileSync(tokenFile, "0123456789abcdef0123");

    expect(
      problemKeys({
        FAIRWALK_ADMIN_TOKEN_FILE: tokenFile,
        FAIRWALK_ADMIN_TOKEN: "0123456789abcdef",
      }),
    ).toEqual(["FAIRWALK_ADMIN_TOKEN_FILE"]);
  });

  it("never repeats a database password in a message", () => {
    expect(() => loadConfig({ DATABASE_URL: "http://user:hunter2@host/db" })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("hunter2") }),
    );
  });

  it("names a file that is not there", () => {
    const missing = join(directory, "none.yaml");

    expect(problemKeys({ FAIRWALK_CONFIG: missing })).toEqual([missing]);
  });

  it("takes tiers from beside the file, with a warning for what exceeds capacity unless they refuse it", () => {
    const file = fileWith("{}");
    const tier = "{ weight: 1, routersMax: 10, intervalSecondsMin: 60, retentionDays: 30";
    const tiers = (free: string) =>
      `${["professional", "business", "enterprise", "msp"]
        .map((name) => `${name}: ${tier}, admission: refuse }\n`)
        .join("")}free: ${tier}${free} }\n`;

    writeFileSync(join(directory, "tiers.yaml"), tiers(""));
    const config = loadConfig({ FAIRWALK_CONFIG: file });
    expect([config.tiers.free.admission, config.tiers.msp.admission]).toEqual(["warn", "refuse"]);

    writeFileSync(join(directory, "tiers.yaml"), tiers(", admission: perhaps"));
    expect(problemKeys({ FAIRWALK_CONFIG: file })).toEqual([
      `${join(directory, "tiers.yaml")}: free.admission`,
    ]);
  });

  it("takes the environment's concurrency over the file's", () => {
    expect(loadConfig({ FAIRWALK_CONCURRENCY: "7" }).worker.concurrency).toBe(7);
  });

  it("takes IPv6 and any-port listen addresses", () => {
    expect(loadConfig({ FAIRWALK_LISTEN: "[::1]:0" }).listen).toEqual({ host: "::1", port: 0 });
    expect(loadConfig({ FAIRWALK_LISTEN: ":9000" }).listen).toEqual({
      host: "0.0.0.0",
      port: 9000,
    });
  });
});
