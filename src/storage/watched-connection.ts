import pg from "pg";
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
  close(): Promise<void>;
}

const PROBE_INTERVAL_MS = 1_000;

/** Without an answer for this long the session counts as lost. */
const SILENCE_MS_MAX = 3_000;

const CONNECT_TIMEOUT_MS = 5_000;

/** How long to wait for the server's side of a goodbye. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * The server gives a silent client up after idle + count × interval = 6 s: later than the client gives itself up, so
 * that two never hold one lock. On a local socket neither applies; there a dead client's socket is closed.
 */
const SERVER_KEEPALIVE = {
  tcp_keepalives_idle: "3",
  tcp_keepalives_interval: "1",
  tcp_keepalives_count: "3",
};

/** `onNotification` hears what the session listens to. */
export async function openWatchedConnection(
  url: string,
  applicationName: string,
  onNotification: (notification: pg.Notification) => void = () => undefined,
): Promise<WatchedConnection> {
  const client = new pg.Client({
    connectionString: withStartupSettings(url, SERVER_KEEPALIVE),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  const lost = new AbortController();
  client.on("error", () => lost.abort());
  client.on("end", () => lost.abort());
  client.on("notification", onNotification);
  await client.connect();

  // One query at a time: what comes meanwhile waits its turn.
  let lastQuery: Promise<unknown> = Promise.resolve();
  const query: WatchedConnection["query"] = (text, values) => {
    const answer = lastQuery.then(() => client.query(text, [...(values ?? [])]));
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
    async close() {
      lost.abort();
      const timer = setTimeout(hangUp, CLOSE_TIMEOUT_MS);
      await client.end();
      clearTimeout(timer);
    },
  };
}
