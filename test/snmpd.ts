/** A real Net-SNMP agent on a port of its own on loopback, for the tests of whatever speaks SNMP. */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { vi } from "vitest";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../src/bench/temporary-directory.ts";
import { encodeOid, TAG, textValue } from "../src/snmp/ber.ts";
import { encodeMessage } from "../src/snmp/message.ts";

export const SNMPD_COMMUNITY = "only-for-tests";

export interface Snmpd {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts the agent at `path` with these lines of snmpd.conf besides a community, and waits until it answers. */
export async function startSnmpd(path: string, lines: readonly string[]): Promise<Snmpd> {
  const folder = await makeTemporaryDirectory("snmpd");
  const configuration = join(folder, "snmpd.conf");
  await writeFile(
    configuration,
    [`rocommunity ${SNMPD_COMMUNITY} 127.0.0.1`, ...lines, ""].join("\n"),
  );
  const port = await freeUdpPort();
  const agent = spawn(
    path,
    ["-f", "-Lo", "-C", "-c", configuration, "-p", join(folder, "pid"), `udp:127.0.0.1:${port}`],
    { stdio: "ignore", env: { ...process.env, SNMP_PERSISTENT_DIR: folder } },
  );
  const stop = async (): Promise<void> => {
    if (agent.exitCode === null && agent.signalCode === null) {
      agent.kill();
      await once(agent, "exit");
    }
    await removeTemporaryDirectory(folder);
  };
  try {
    await vi.waitFor(() => answers(port), { timeout: 20_000, interval: 100 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

/** Rejects unless something on `port` answers a GET of sysUpTime.0. */
async function answers(port: number): Promise<void> {
  const socket = createSocket("udp4");
  try {
    const sysUpTime = { oid: encodeOid("1.3.6.1.2.1.1.3.0"), tag: TAG.null, value: textValue("") };
    const { bytes } = encodeMessage({
      version: 1,
      community: textValue(SNMPD_COMMUNITY),
      pduType: TAG.getRequest,
      requestId: 1,
      a: 0,
      b: 0,
      varbinds: [sysUpTime],
    });
    const answer = once(socket, "message", { signal: AbortSignal.timeout(300) });
    socket.send(bytes, port, "127.0.0.1");
    await answer;
  } finally {
    socket.close();
  }
}
