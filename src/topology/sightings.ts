import type { RouterId } from "../routers/router.ts";
import { deviceMac } from "./mac.ts";
import type { PortMatcher, RemotePort } from "./match-port.ts";
import type { RemoteRouter, RouterMatcher } from "./match-router.ts";
import { comparableInterfaceName, comparableName, withoutSerial } from "./names.ts";
import type { Neighbour, ObservedRouter } from "./observed.ts";
import type { Evidence } from "./topology.ts";

/**
 * One neighbour on one port of one router: all its rows of LLDP and CDP there together, for a device that speaks both
 * protocols, or has entries of different age, is still one device.
 */
export interface Sighting {
  readonly seenBy: RouterId;
  readonly localIfIndex?: number;
  readonly remote: RemoteRouter;
  /** The port of a known router that it is seen through. */
  readonly port?: RemotePort;
  readonly neighbours: readonly Neighbour[];
  readonly evidence: readonly Evidence[];
}

interface Row {
  readonly neighbour: Neighbour;
  readonly remote: RemoteRouter;
  readonly port?: RemotePort;
}

/** Everything `router` sees, each neighbour of each port once. */
export function sightingsOf(
  router: ObservedRouter,
  routers: RouterMatcher,
  portsOf: (id: RouterId) => PortMatcher,
): Sighting[] {
  const byPort = new Map<string, Row[]>();
  for (const neighbour of router.neighbours) {
    const row = rowOf(router.id, neighbour, routers, portsOf);
    const key =
      neighbour.localIfIndex === undefined
        ? `${neighbour.protocol} ${neighbour.index}`
        : `${neighbour.localIfIndex}`;
    const rows = byPort.get(key);
    if (rows === undefined) byPort.set(key, [row]);
    else rows.push(row);
  }
  return [...byPort.values()].flatMap((rows) =>
    devicesOn(rows).map((device) => sightingFrom(router.id, device)),
  );
}

function rowOf(
  seenBy: RouterId,
  neighbour: Neighbour,
  routers: RouterMatcher,
  portsOf: (id: RouterId) => PortMatcher,
): Row {
  const remote = routers.neighbour(neighbour, seenBy);
  const port = remote.routerId === undefined ? undefined : portsOf(remote.routerId).port(neighbour);
  return port === undefined ? { neighbour, remote } : { neighbour, remote, port };
}

/**
 * The rows of one port, by device. Rows that tell who they are, a router of ours or a MAC address, go by that alone.
 * Each of the others joins the first that shares a management address or its name, or that names the same far port in
 * the other protocol.
 */
function devicesOn(rows: readonly Row[]): Row[][] {
  const devices: Row[][] = [];
  const byKey = new Map<string, Row[]>();
  for (const row of rows.toSorted((a, b) => certainty(b) - certainty(a))) {
    const known = keysFoundBy(row).map((key) => byKey.get(key));
    const device = known.find((it) => it !== undefined) ?? [];
    if (device.length === 0) devices.push(device);
    device.push(row);
    for (const key of keysOf(row)) if (!byKey.has(key)) byKey.set(key, device);
  }
  return devices;
}

/** Rows that say most come first, so that the others find them. */
function certainty({ neighbour, remote, port }: Row): number {
  if (remote.routerId !== undefined) return isSure(port) ? 3 : 2;
  return macOf(neighbour) === undefined ? 0 : 1;
}

/** The keys a row is found by later. */
function keysOf(row: Row): string[] {
  const { neighbour, remote, port } = row;
  const hints = hintsOf(neighbour, neighbour.protocol);
  if (remote.routerId !== undefined) {
    // Two ports of one neighbour on one port of ours are a shared segment, not one sighting.
    const at = isSure(port) ? [`router ${remote.routerId} ${port.ifIndex}`] : [];
    return [...at, `router ${remote.routerId}`, ...hints];
  }
  const mac = macOf(neighbour);
  return mac === undefined ? hints : [`mac ${mac}`, ...hints];
}

/** The keys by which a row looks for its device among those before it. */
function keysFoundBy({ neighbour, remote, port }: Row): string[] {
  if (remote.routerId !== undefined) {
    return [
      isSure(port) ? `router ${remote.routerId} ${port.ifIndex}` : `router ${remote.routerId}`,
    ];
  }
  const mac = macOf(neighbour);
  if (mac !== undefined) return [`mac ${mac}`];
  return hintsOf(neighbour, neighbour.protocol === "cdp" ? "lldp" : "cdp");
}

function hintsOf(neighbour: Neighbour, portProtocol: Neighbour["protocol"]): string[] {
  const name = nameOf(neighbour);
  const addresses = neighbour.remoteMgmtAddrs ?? [];
  const port = neighbour.remotePort ? comparableInterfaceName(neighbour.remotePort) : "";
  return [
    ...addresses.map((address) => `address ${address}`),
    ...(name === "" ? [] : [`name ${name}`]),
    ...(port === "" ? [] : [`port ${portProtocol} ${port}`]),
  ];
}

function isSure(port: RemotePort | undefined): port is RemotePort {
  return port?.isCertain === true;
}

/** The MAC address a neighbour gives for itself, as LLDP's chassis or as CDP's device id. */
export function macOf(neighbour: Neighbour): string | undefined {
  return neighbour.protocol === "cdp"
    ? deviceMac(neighbour.remoteSysName ?? "")
    : deviceMac(neighbour.remoteChassisId ?? "");
}

/** The host name a neighbour gives for itself, comparable; "" when it gives none. */
export function nameOf(neighbour: Neighbour): string {
  return comparableName(withoutSerial(neighbour.remoteSysName ?? ""));
}

function sightingFrom(seenBy: RouterId, rows: readonly Row[]): Sighting {
  const localIfIndex = rows[0]?.neighbour.localIfIndex;
  const port = rows.find((row) => isSure(row.port))?.port ?? rows.find((row) => row.port)?.port;
  const known = rows.find((row) => row.remote.routerId !== undefined);
  return {
    seenBy,
    ...(localIfIndex !== undefined && { localIfIndex }),
    remote: known?.remote ?? { candidates: candidatesOf(rows) },
    ...(port !== undefined && { port }),
    neighbours: rows.map((row) => row.neighbour),
    evidence: rows.map((row) => evidenceOf(seenBy, row)),
  };
}

function candidatesOf(rows: readonly Row[]): RouterId[] {
  const ids = rows.flatMap(({ remote }) =>
    remote.routerId === undefined ? remote.candidates : [],
  );
  return [...new Set(ids)].toSorted();
}

function evidenceOf(seenBy: RouterId, { neighbour, remote, port }: Row): Evidence {
  const { localIfIndex, remoteSysName, remoteChassisId, remotePort, remotePortDesc } = neighbour;
  const remoteAddress = neighbour.remoteMgmtAddrs?.[0];
  return {
    protocol: neighbour.protocol,
    seenBy,
    ...(localIfIndex !== undefined && { localIfIndex }),
    ...(remoteSysName && { remoteSysName }),
    ...(remoteChassisId && { remoteChassisId }),
    ...(remotePort && { remotePort }),
    ...(remotePortDesc && { remotePortDesc }),
    ...(remoteAddress && { remoteAddress }),
    ...(remote.routerId !== undefined && { matchedBy: remote.matchedBy }),
    ...(port !== undefined && { portMatchedBy: port.matchedBy }),
    ...(port !== undefined && !port.isCertain && { portCandidate: port.ifIndex }),
    firstSeenMs: neighbour.firstSeenMs,
    lastSeenMs: neighbour.lastSeenMs,
  };
}
