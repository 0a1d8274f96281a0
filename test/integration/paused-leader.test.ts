import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, inject, it, vi } from "vitest";
import { standForLeadership } from "../../src/storage/leadership.ts";
import { createTestDatabase } from "../database.ts";

const WAIT = { timeout: 50_000, interval: 100 };

it("the lead passes on when its holder stands still, which notices before it acts again", async () => {
  const database = await createTestDatabase(inject("databaseUrl"));
  const program = fileURLToPath(new URL("../fixtures/lead-zone.ts", import.meta.url));
  const leader = spawn(process.execPath, ["--import", "tsx", program, database.url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const beliefs: string[] = [];
  createInterface({ input: leader.stdout }).on("line", (belief) => beliefs.push(belief));
  const two = standForLeadership(database.url);
  try {
    await vi.waitFor(() => expect(beliefs).toContain("sure"), WAIT);

    leader.kill("SIGSTOP");
    await vi.waitFor(async () => expect(await two.tryLead("paused")).toBeDefined(), WAIT);
    beliefs.splice(0);
    leader.kill("SIGCONT");
    await vi.waitFor(() => expect(beliefs).toContain("lost"), WAIT);

    expect(beliefs).not.toContain("sure");
  } finally {
    leader.kill("SIGKILL");
    await two.stop();
    await database.drop();
  }
});
