#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { registerCommands } from "./cli/commands.ts";
import { OperatorError } from "./cli/platform.ts";
import { ConfigError } from "./config/problems.ts";

/** Exit codes: 0 done, 1 the command failed, 2 it was called or configured wrongly. */
const program = new Command("fairwalk")
  .description("Multi-tenant SNMP polling, fair between tenants")
  .exitOverride();
registerCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Mistakes of the operator's get their message alone; anything else is a fault, and shows where it came from. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ConfigError) {
    console.error(error.message);
    return 2;
  }
  if (error instanceof OperatorError || (error instanceof Error && isSelfExplaining(error))) {
    console.error(error.message);
    return 1;
  }
  console.error(error);
  return 1;
}

/** Our own messages say what could not be done, to what, and the remedy: "Cannot … ". */
function isSelfExplaining(error: Error): boolean {
  return error.message.startsWith("Cannot ");
}
