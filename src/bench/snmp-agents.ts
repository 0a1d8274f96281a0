import type { RemoteInfo, Socket } from "node:dgram";
import { openDelayLine } from "../simulator/delay-line.ts";
import { planRouters, type RouterPlan } from "../simulator/plan-routers.ts";
import { Responder } from "../simulator/responder.ts";
import { bindSockets, closeSockets } from "../simulator/sockets.ts";
import type { Agents } from "./snmp-parts.ts";
import { openUsmEngines, respondAsUsm, type UsmAgent } from "./snmp-usm-agent.ts";
import { BENCH_COMMUNITY } from "./snmp-workload.ts";

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
            ? respondAsUsm(engines[router] as UsmAgent, message, responder, agent)
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
