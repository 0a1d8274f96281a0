import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PROJECT } from "./compose-file.ts";

const dockerfile = readFileSync(join(PROJECT, "Dockerfile"), "utf8");
const ignore = readFileSync(join(PROJECT, ".dockerignore"), "utf8");

const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = ""]) =>
  sources.split(" "),
);

test("what the Dockerfile copies exists and is sent to the builder, and nothing else is", () => {
  const sent = ignore
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1));

  expect(copied.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([]);
  expect([...new Set(copied)].sort()).toEqual(sent.sort());
});

test("the image runs the program as an ordinary user, with no shell or npm in between", () => {
  const instructions = dockerfile.split("\n");

  expect(instructions).toContain("USER node");
  expect(instructions).toContain('ENTRYPOINT ["node", "dist/cli.js"]');
  expect(instructions).toContain("STOPSIGNAL SIGTERM");
});
