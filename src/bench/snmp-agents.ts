import type { RemoteInfo, Socket } from "node:dgram";
import { openDelayLine } from "../simulator/delay-line.ts";
import { planRouters, type RouterPlan } from "../simulator/plan-routers.ts";
import { Responder } from "../simulator/responder.ts";
import { bindSockets, closeSockets } from "../simulator/sockets.ts";
import { BerWriter, TAG } from "../snmp/ber.ts";
import type { Agents } from "./snmp-parts.ts";
import { openUsmEngines, type UsmAgent } from "./snmp-usm-agent.ts";
import { BENCH_COMMUNITY } from "./snmp-workload.ts";

/** What SNMPv3 puts around a PDU more than v2c does, in octets. */
const USM_OVERHEAD_BYTES = 140;

const VERSION_3 = 3;

interface Asked {
  readonly router: number;
  readonly message: Buffer;
  readonly peer: RemoteInfo;
}

/** Simulated routers that answer v2c and v3, each on a port of its own. One network at a time. */
export function startAgents(): Agents {
  let sockets: Socket[] = [];
  let requests = 0;
  let stopLine = (): void => {};
  return {
    async start({ routers, interfaces, messageBytesMax, rttMs, seed }) {
      stopLine();
      await closeSockets(sockets);
      const plans = await planRouters(
        { generate: routers, interfaces, messageBytesMax, seed, community: BENCH_COMMUNITY },
        Date.now(),
      );
      sockets = await bindSockets(plans.map(() => ({ address: "127.0.0.1", port: 0 })));
      const engineOf = openUsmEngines();
      const engines = plans.map((_plan, router) => engineOf(router));
      const responder = new Responder();
      const respond = ({ router, message, peer }: Asked): void => {
        const { agent } = plans[router] as RouterPlan;
        const answer =
          versionOf(message) === VERSION_3
            ? answerV3(engines[router] as UsmAgent, message, responder, agent)
            : responder.read(message) && responder.answer(agent, 0);
        const socket = sockets[router] as Socket;
        if (!answer) return;
        socket.send(answer, peer.port, peer.address);
        if (socket.getSendQueueCount() > 0) responder.releaseAnswer();
      };
      const line = openDelayLine<Asked>(rttMs, respond);
      stopLine = () => line.stop();
      sockets.forEach((socket, router) => {
        socket.on("message", (message, peer) => {
          requests++;
          if (rttMs > 0) line.add({ router, message, peer });
          else respond({ router, message, peer });
        });
      });
      return sockets.map((socket) => ({ address: "127.0.0.1", port: socket.address().port }));
    },
    async requests() {
      const counted = requests;
      requests = 0;
      await Promise.resolve();
      return counted;
    },
  };
}

function versionOf(message: Buffer): number {
  const first = message[1] ?? 0;
  const at = first < 0x80 ? 2 : 2 + (first & 0x7f);
  return message[at + 2] ?? 0;
}

/** Answers as the v2c agent would, in another envelope. */
function answerV3(
  engine: UsmAgent,
  message: Buffer,
  responder: Responder,
  agent: RouterPlan["agent"],
): Buffer | undefined {
  const { messageId, pdu } = engine.open(message);
  if (pdu === undefined) return engine.report(messageId);
  const writer = new BerWriter(pdu.length + 64);
  const whole = writer.begin(TAG.sequence);
  writer.integer(1);
  writer.octets(TAG.octetString, agent.community);
  writer.raw(pdu);
  writer.end(whole);
  if (!responder.read(writer.bytes())) return undefined;
  const messageBytesMax = agent.messageBytesMax - USM_OVERHEAD_BYTES;
  const answer = responder.answer({ ...agent, messageBytesMax }, 0);
  if (answer === undefined) return undefined;
  return engine.answer(messageId, pduOf(answer, agent.community.length));
}

/** What follows the community in a v2c message. */
function pduOf(message: Buffer, communityOctets: number): Buffer {
  const first = message[1] as number;
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f);
  return message.subarray(start + 3 + 2 + communityOctets);
}
