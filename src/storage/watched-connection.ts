import pg from "pg";
import { systemClock } from "../lib/clock.ts";
import { Elapsed } from "../lib/elapsed.ts";
import { withStartupSettings } from "./pool.ts";

/**
 * A connection kept for its session's sake (a lock held, a channel listened to), so its loss must be noticed even where
 * no packet tells of it: it is asked for a sign of life every second.
 *
 * Not through pgbouncer in transaction mode, which gives sessions to others.
 */
export interface WatchedConnection {
  query<Row extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: Row[] }>;
  /** Aborted as soon as the session is lost or closed. */
  readonly lost: AbortSignal;
  /** False when the server may have ended the session without our having noticed yet: this process stood still. */
  isSure(): boolean;
  close(): Promise<void>;
}

const PROBE_INTERVAL_MS = 1_000;

/** Without an answer for this long the session counts as lost. */
const SILENCE_MS_MAX = 3_000;

const CONNECT_TIMEOUT_MS = 5_000;

/** How long to wait for the server's side of a goodbye. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * The server gives a silent client up after 6 s: later than the client gives itself up, so that two never hold one lock.
 * One whose machine is gone is found by keepalives (idle + count × interval); one that stands still, whose machine goes
 * on answering those, by its asking nothing.
 */
const SERVER_PATIENCE_MS = 6_000;
const SERVER_SETTINGS = {
  tcp_keepalives_idle: "3",
  tcp_keepalives_interval: "1",
  tcp_keepalives_count: "3",
  idle_session_timeout: String(SERVER_PATIENCE_MS),
};

/** So long after asking something that was answered, the session is there: less than the server's patience. */
const SURE_MS_MAX = SERVER_PATIENCE_MS - 1_000;

/** `onNotification` hears what the session listens to. */
export async function openWatchedConnection(
  url: string,
  applicationName: string,
  onNotification: (notification: pg.Notification) => void = () => undefined,
): Promise<WatchedConnection> {
  const client = new pg.Client({
    connectionString: withStartupSettings(url, SERVER_SETTINGS),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  const lost = new AbortController();
  client.on("error", () => lost.abort());
  client.on("end", () => lost.abort());
  client.on("notification", onNotification);
  let heard = new Elapsed(systemClock);
  await client.connect();

  // One query at a time: what comes meanwhile waits its turn.
  let lastQuery: Promise<unknown> = Promise.resolve();
  const query: WatchedConnection["query"] = (text, values) => {
    const answer = lastQuery.then(async () => {
      const asked = new Elapsed(systemClock);
      const result = await client.query(text, [...(values ?? [])]);
      heard = asked;
      return result;
    });
    lastQuery = answer.catch(() => undefined);
    return answer;
  };
  // No goodbye: the other side would not answer that either.
  const hangUp = () => client.connection.stream.destroy();

  let deadline: NodeJS.Timeout | undefined;
  const probe = setInterval(() => {
    if (deadline !== undefined) return;
    deadline = setTimeout(() => {
      lost.abort();
      hangUp();
    }, SILENCE_MS_MAX);
    query("select 1").then(
      () => {
        clearTimeout(deadline);
        deadline = undefined;
      },
      () => lost.abort(),
    );
  }, PROBE_INTERVAL_MS);
  lost.signal.addEventListener("abort", () => {
    clearInterval(probe);
    clearTimeout(deadline);
  });

  return {
    query,
    lost: lost.signal,
    isSure: () => !lost.signal.aborted && heard.ms < SURE_MS_MAX,
    async close() {
      lost.abort();
      const timer = setTimeout(hangUp, CLOSE_TIMEOUT_MS);
      await client.end();
      clearTimeout(timer);
    },
  };
}
