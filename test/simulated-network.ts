import { expect, vi } from "vitest";
import { type RoleProcess, startRole } from "../src/bench/role-process.ts";

/** A router of a simulator that is a process of its own, so that what it costs delays nothing that is tested. */
export interface SimulatedRouter {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface SimulatedNetwork {
  readonly routers: readonly SimulatedRouter[];
  readonly process: RoleProcess;
}

/** Starts `count` generated routers on any free ports and waits until all of them listen. */
export async function startSimulatedNetwork(
  count: number,
  options: readonly string[],
): Promise<SimulatedNetwork> {
  const generate = ["--generate", `${count}`, "--port-base", "0"];
  const process = startRole(["simulate", ...generate, ...options], {});
  const lines = () =>
    process
      .output()
      .split("\n")
      .filter((line) => line.startsWith("{"));
  try {
    await vi.waitFor(() => expect(lines().length, process.output()).toBe(count), {
      timeout: 90_000,
      interval: 200,
    });
  } catch (error) {
    await process.stop();
    throw error;
  }
  return { routers: lines().map((line) => JSON.parse(line) as SimulatedRouter), process };
}
