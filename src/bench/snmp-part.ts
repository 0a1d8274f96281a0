/** The entry of a process of `bench snmp`: `node snmp-part.js <part>` answers what its parent asks, one thing at a time. */
import { startAgents } from "./snmp-agents.ts";
import type { Lanes } from "./snmp-lanes.ts";
import { openNetSnmp } from "./snmp-net-snmp.ts";
import { openOurs } from "./snmp-ours.ts";
import type { AgentOptions, PollOptions, Question, Reply } from "./snmp-parts.ts";

type Answer = (question: Question) => Promise<unknown>;

const PARTS: Readonly<Record<string, () => Answer>> = {
  agents: agentsPart,
  ours: () => pollerPart(openOurs),
  "net-snmp": () => pollerPart(openNetSnmp),
};

const name = process.argv[2] ?? "";
const part = PARTS[name];
if (part === undefined) throw new Error(`Cannot be part "${name}" of the benchmark`);
const answer = part();

process.on("message", (question: Question) => {
  const reply = (message: Reply): void => {
    process.send?.(message);
  };
  answer(question).then(
    (result) => reply({ result }),
    (error: Error) => reply({ error: error.stack ?? error.message }),
  );
});
process.on("disconnect", () => process.exit());

function agentsPart(): Answer {
  const agents = startAgents();
  return ({ method, options }) =>
    method === "start" ? agents.start(options as AgentOptions) : agents.requests();
}

function pollerPart(open: (options: PollOptions) => Promise<Lanes>): Answer {
  let lanes: Lanes | undefined;
  return async ({ method, options }) => {
    lanes ??= await open(options as PollOptions);
    return method === "warm" ? lanes.warm() : lanes.measure();
  };
}
