import { createRequire } from "node:module";
import { TAG } from "../snmp/ber.ts";
import { type Lanes, openLanes } from "./snmp-lanes.ts";
import type { BenchRouter, PollOptions } from "./snmp-parts.ts";
import { BENCH_COLUMNS, BENCH_COMMUNITY, BENCH_SCALARS, BENCH_USER } from "./snmp-workload.ts";

/** As much of npm net-snmp as polling takes. */
interface NetSnmp {
  readonly Version2c: number;
  readonly SecurityLevel: { readonly authPriv: number };
  readonly AuthProtocols: { readonly sha256: number };
  readonly PrivProtocols: { readonly aes: number };
  createSession(address: string, community: string, options: object): TheirSession;
  createV3Session(address: string, user: object, options: object): TheirSession;
}

interface TheirVarbind {
  readonly oid: string;
  readonly type: number;
  readonly value: unknown;
}

interface TheirSession {
  get(oids: string[], done: (error: Error | null, varbinds: TheirVarbind[]) => void): void;
  /** One list of varbinds a column. */
  getBulk(
    oids: string[],
    nonRepeaters: number,
    maxRepetitions: number,
    done: (error: Error | null, varbinds: TheirVarbind[][]) => void,
  ): void;
  on(event: "error", listener: (error: Error) => void): void;
}

/** So many columns in a request, so many rows of each. */
interface Shape {
  readonly columns: number;
  readonly rows: number;
}

const TRIAL_SECONDS = 0.3;
const TRIAL_ROUTERS = 20;
/** Octets of a varbind of this workload, headers included; the largest shapes that fit an answer are tried. */
const VARBIND_BYTES = 23;

/**
 * npm net-snmp as fast as its API allows, found by trying: getBulk by hand instead of `tableColumns`, one session a router
 * that stays open, and of several shapes of request the cheapest.
 */
export async function openNetSnmp(options: PollOptions): Promise<Lanes> {
  const netSnmp = createRequire(import.meta.url)("net-snmp") as NetSnmp;
  const sessions = options.routers.map((router) => openTheirs(netSnmp, router, options.version));
  const pollBy = (shape: Shape) => (_router: BenchRouter, place: number) =>
    pollOnce(sessions[place] as TheirSession, shape, options.interfaces);
  let best: { readonly shape: Shape; readonly cost: number } | undefined;
  for (const shape of shapesFor(options)) {
    const routers = options.routers.slice(0, TRIAL_ROUTERS);
    const trial = openLanes({ ...options, routers, seconds: TRIAL_SECONDS }, pollBy(shape));
    await trial.warm();
    const { cpuUs, polls, incomplete } = await trial.measure();
    const cost = cpuUs / polls;
    if (incomplete === 0 && (best === undefined || cost < best.cost)) best = { shape, cost };
  }
  if (best === undefined) throw new Error("net-snmp brings nothing whole");
  return openLanes(options, pollBy(best.shape));
}

function shapesFor({ messageBytesMax, interfaces }: PollOptions): Shape[] {
  const varbinds = Math.floor(messageBytesMax / VARBIND_BYTES);
  // One row more than there are shows in the same answer that a column has ended.
  return [1, 2, 4, 5, 10, 20].map((columns) => {
    return { columns, rows: Math.max(1, Math.min(interfaces + 1, Math.floor(varbinds / columns))) };
  });
}

function openTheirs(
  netSnmp: NetSnmp,
  { address, port }: BenchRouter,
  version: PollOptions["version"],
): TheirSession {
  const options = { port, timeout: 2_000, retries: 2 };
  const session =
    version === "2c"
      ? netSnmp.createSession(address, BENCH_COMMUNITY, { ...options, version: netSnmp.Version2c })
      : netSnmp.createV3Session(address, theirUser(netSnmp), options);
  session.on("error", () => {});
  return session;
}

function theirUser(netSnmp: NetSnmp): object {
  return {
    name: BENCH_USER.username,
    level: netSnmp.SecurityLevel.authPriv,
    authProtocol: netSnmp.AuthProtocols.sha256,
    authKey: BENCH_USER.authPassword,
    privProtocol: netSnmp.PrivProtocols.aes,
    privKey: BENCH_USER.privPassword,
  };
}

/** All scalars, then the columns in groups, one request after the other; resolves with whether everything came. */
function pollOnce(session: TheirSession, shape: Shape, interfaces: number): Promise<boolean> {
  return new Promise((resolve) => {
    let values = 0;
    const nextGroup = (from: number): void => {
      if (from >= BENCH_COLUMNS.length) {
        resolve(values === BENCH_COLUMNS.length * interfaces);
        return;
      }
      const columns = BENCH_COLUMNS.slice(from, from + shape.columns);
      const after = [...columns];
      const open = new Set(columns.keys());
      const askOn = (): void => {
        const asked = [...open];
        const oids = asked.map((k) => after[k] as string);
        session.getBulk(oids, 0, shape.rows, (error, answer) => {
          if (error !== null) {
            resolve(false);
            return;
          }
          answer.forEach((column, i) => {
            const k = asked[i] as number;
            const below = `${columns[k]}.`;
            for (const { oid, type } of column) {
              if (type === TAG.endOfMibView || !oid.startsWith(below)) {
                open.delete(k);
                break;
              }
              after[k] = oid;
              values++;
            }
          });
          if (open.size > 0) askOn();
          else nextGroup(from + shape.columns);
        });
      };
      askOn();
    };
    session.get([...BENCH_SCALARS], (error) => {
      if (error === null) nextGroup(0);
      else resolve(false);
    });
  });
}
