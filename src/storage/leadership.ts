import { openWatchedConnection, type WatchedConnection } from "./watched-connection.ts";

/**
 * Who leads a zone: the scheduler that holds the zone's advisory lock. Postgres frees the lock the moment the session
 * ends, so a leader that was killed is followed within seconds, one that stands still within 8 s, and two never lead at
 * once: one that stood still asks before it goes on.
 */

export interface Leadership {
  /** Aborted as soon as the lock may be another's: do nothing for the zone from then on. */
  readonly lost: AbortSignal;
  /** False when the lock may be another's without our having noticed yet: this process stood still. */
  isSure(): boolean;
  /** Gives the zone up. */
  stop(): Promise<void>;
}

export interface Candidate {
  /** Leads the zone from now on, or undefined while another does. Rejects when Postgres cannot be reached. */
  tryLead(zoneKey: string): Promise<Leadership | undefined>;
  /**
   * Which of the zones have a leader, and how many candidates look for zones: those that have asked this over the session
   * they have. Rejects when Postgres cannot be reached.
   */
  survey(zoneKeys: readonly string[]): Promise<Survey>;
  /** Gives up every zone. */
  stop(): Promise<void>;
}

export interface Survey {
  readonly candidates: number;
  readonly led: ReadonlySet<string>;
}

const LOCK = "hashtextextended('fairwalk zone ' || $1, 0)";

/** Held shared by every candidate, so that they can be counted: Postgres forgets one with its session. */
const PRESENCE = "hashtextextended('fairwalk candidates', 0)";

/** A lock's number as pg_locks has it: in two halves. */
const SURVEY = `
  with held as (
    select classid::bigint << 32 | objid::bigint as lock from pg_locks
    where locktype = 'advisory' and objsubid = 1 and granted
      and database = (select oid from pg_database where datname = current_database())
  )
  select (select count(*)::int from held where lock = ${PRESENCE}) as candidates,
         array(select zone from unnest($1::text[]) as zone
               where hashtextextended('fairwalk zone ' || zone, 0) in (select lock from held)) as led`;

/** Stands for the leadership of any number of zones, all over one connection. Connects when first asked to lead. */
export function standForLeadership(url: string): Candidate {
  let connecting: Promise<WatchedConnection> | undefined;
  // A session may take its own lock again: a zone led already must not be given out twice.
  const led = new Set<string>();
  const present = new WeakSet<WatchedConnection>();

  function connection(): Promise<WatchedConnection> {
    if (connecting !== undefined) return connecting;
    const forget = () => {
      connecting = undefined;
      led.clear();
    };
    connecting = openWatchedConnection(url, "fairwalk leadership");
    connecting.then(({ lost }) => lost.addEventListener("abort", forget), forget);
    return connecting;
  }

  return {
    async tryLead(zoneKey) {
      const session = await connection();
      if (led.has(zoneKey)) return undefined;
      led.add(zoneKey);
      const { rows } = await session.query<{ is_leader: boolean }>(
        `select pg_try_advisory_lock(${LOCK}) as is_leader`,
        [zoneKey],
      );
      if (rows[0]?.is_leader !== true) {
        led.delete(zoneKey);
        return undefined;
      }
      return leadershipOf(session, zoneKey, () => led.delete(zoneKey));
    },
    async survey(zoneKeys) {
      const session = await connection();
      if (!present.has(session)) {
        await session.query(`select pg_advisory_lock_shared(${PRESENCE})`);
        present.add(session);
      }
      const { rows } = await session.query<{ candidates: number; led: string[] }>(SURVEY, [
        zoneKeys,
      ]);
      return { candidates: rows[0]?.candidates ?? 1, led: new Set(rows[0]?.led) };
    },
    async stop() {
      const session = await connecting?.catch(() => undefined);
      await session?.close();
    },
  };
}

function leadershipOf(session: WatchedConnection, zoneKey: string, ended: () => void): Leadership {
  const over = new AbortController();
  return {
    lost: AbortSignal.any([session.lost, over.signal]),
    isSure: () => !over.signal.aborted && session.isSure(),
    async stop() {
      if (over.signal.aborted || session.lost.aborted) return;
      over.abort();
      // Where this fails the session is gone, and the lock with it.
      await session.query(`select pg_advisory_unlock(${LOCK})`, [zoneKey]).catch(() => undefined);
      ended();
    },
  };
}
