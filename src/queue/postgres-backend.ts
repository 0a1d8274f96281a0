import {
  type BackendFactory,
  type JobJson,
  type PgPool,
  type PgQueryResult,
  PostgresConnection,
  type PostgresConnectionOptions,
  PostgresQueueBackend,
} from "bullmq";
import { PostgresEventReader } from "./postgres-events.ts";

/**
 * BullMQ's Postgres back end, with three things done otherwise. Its tables and functions stay its own.
 *
 * - Events are read without losing any (postgres-events.ts).
 * - Jobs are added by one statement. BullMQ's function makes and drops two temporary tables a call, which costs more
 *   than everything else a poll does to the queue (5 ms of 9), and writes two events a job that nobody reads.
 * - Statements are prepared once a connection instead of being parsed and planned each time: half of the rest.
 */
export const createPollBackend: BackendFactory<PostgresQueueBackend, PostgresConnectionOptions> = (
  queueName,
  options,
  { blocking: isReader } = {},
) => {
  const connection = new PollConnection(options.connection);
  return isReader
    ? new PostgresEventReader(connection, queueName, options)
    : new PollBackend(connection, queueName, options);
};

const ADD_JOBS = `
  with added as (
    insert into job (queue, id, seq, name, state, data, opts, max_attempts, added_at_ms)
    select $1, id, nextval('job_seq'), name, 'waiting', data, opts, 1, $6
    from unnest($2::text[], $3::text[], $4::jsonb[], $5::jsonb[]) with ordinality
      as jobs(id, name, data, opts, place)
    order by place
    on conflict (queue, id) do nothing
    returning 1
  )
  select pg_notify('bullmq_jobs', $1) where exists (select from added)`;

type ListenClient = Awaited<ReturnType<PostgresConnection["getListenClient"]>>;

class PollConnection extends PostgresConnection {
  readonly #guarded = new WeakSet<ListenClient>();

  constructor(options: PostgresConnectionOptions) {
    super(options);
    prepareStatements(this.pool);
  }

  /**
   * BullMQ takes the listeners off a client before it says goodbye. A Postgres that dies in that moment would end our
   * process with an error that nobody listens to.
   */
  override async getListenClient(): Promise<ListenClient> {
    const client = await super.getListenClient();
    if (this.#guarded.has(client)) return client;
    this.#guarded.add(client);
    const removeAllListeners = client.removeAllListeners.bind(client);
    client.removeAllListeners = (event) => {
      removeAllListeners(event);
      return client.on("error", () => undefined);
    };
    return client;
  }
}

class PollBackend extends PostgresQueueBackend {
  /** Adds jobs that may start at once, have ids of their own and belong to no other job. */
  override async addJobs(
    entries: readonly { readonly job: JobJson; readonly jobId: string }[],
  ): Promise<string[]> {
    await this.connection.waitUntilReady();
    const ids = entries.map(({ jobId }) => jobId);
    await this.connection.pool.query(ADD_JOBS, [
      this.queueName,
      ids,
      entries.map(({ job }) => job.name),
      entries.map(({ job }) => job.data),
      entries.map(({ job }) => JSON.stringify(job.opts)),
      Date.now(),
    ]);
    return ids;
  }
}

/** Postgres's complaint when a table changed since a statement was prepared: another release migrated it. */
const STALE_STATEMENT = "0A000";

/**
 * Has the pool's queries prepared, each once a connection. There are as many names as BullMQ has statements: their
 * texts are constants.
 */
function prepareStatements(pool: PgPool): void {
  // BullMQ declares the part of pg's pool that it uses; pg's own also takes a statement's name.
  const query = pool.query.bind(pool) as unknown as <Row>(
    statement: string | { name: string; text: string; values: readonly unknown[] },
  ) => Promise<PgQueryResult<Row>>;
  const names = new Map<string, string>();
  let named = 0;
  const nameOf = (text: string): string => {
    let name = names.get(text);
    if (name === undefined) {
      name = `poll_queue_${named++}`;
      names.set(text, name);
    }
    return name;
  };
  pool.query = async <Row>(text: string, values?: readonly unknown[]) => {
    if (values === undefined) return query<Row>(text);
    try {
      return await query<Row>({ name: nameOf(text), text, values });
    } catch (error) {
      if ((error as { code?: unknown }).code !== STALE_STATEMENT) throw error;
      names.delete(text);
      return query<Row>({ name: nameOf(text), text, values });
    }
  };
}
