import { PostgresQueueBackend, type StreamReadRaw } from "bullmq";
import { Announcements } from "./announcements.ts";
import { EventCursor } from "./event-cursor.ts";

/** Events of one read at most. */
const PAGE_MAX = 500;

/** Ids below the newest that a reader starts with: what is under way then is not passed over. */
const LOOKBACK = 200;

/** How soon a reader looks again where events may turn up unannounced; twice as late each time nothing did. */
const RECHECK_MS_MIN = 10;
const RECHECK_MS_MAX = 500;

const EVENTS_CHANNEL = "bullmq_events";

/**
 * The events, which transactions their snapshot sees, and a number that no transaction had before it was taken: our own
 * (a snapshot's xmax is no such bound: it is the newest that has ended). $2 null: the newest events there are.
 */
const READ_EVENTS = `
  select pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
         pg_current_xact_id()::text as xid,
         events.id, events.event, events.data
  from (select) as always
  left join (
    (select id, event, data from event where queue = $1 and id = any($3::bigint[]))
    union all
    (select id, event, data from event
     where queue = $1
       and id > coalesce($2, (select max(id) - ${LOOKBACK} from event where queue = $1), 0)
     order by id limit ${PAGE_MAX})
  ) as events on true
  order by events.id`;

interface EventRow {
  readonly xmin: string;
  readonly xid: string;
  /** Null in the one row that says there is no event. */
  readonly id: string | null;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>> | null;
}

interface Page {
  readonly events: (EventRow & { readonly id: string })[];
  readonly ids: readonly number[];
  readonly xmin: number;
  readonly xid: number;
}

/** BullMQ's reader of events, without losing those that commit out of order (event-cursor.ts). */
export class PostgresEventReader extends PostgresQueueBackend {
  readonly #announcements = new Announcements(this.connection, EVENTS_CHANNEL, this.queueName);
  #starting: Promise<EventCursor> | undefined;
  /** Announcements heard when events were last read. */
  #heardAtRead = 0;
  #isMoreToRead = false;
  #recheckMs = RECHECK_MS_MIN;

  /** Resolves once every event from now on will be read. */
  override async waitUntilReady(): Promise<void> {
    await super.waitUntilReady();
    await this.#started();
  }

  /** Where the reader stands is our own business: BullMQ's `id` is only the newest it has been given. */
  override async readEvents(_id: string, blockTimeoutMs: number): Promise<StreamReadRaw> {
    if (this.connection.isClosing) return null;
    try {
      const cursor = await this.#started();
      if (!this.#isMoreToRead) {
        const waitMs = cursor.isUnsettled ? this.#recheckMs : blockTimeoutMs;
        await this.#announcements.beyond(this.#heardAtRead, waitMs);
      }
      if (this.connection.isClosing) return null;
      await this.#announcements.listen();
      const events = await this.#readOn(cursor);
      return events.length === 0 ? null : [["events", events.map(entryOf)]];
    } catch (error) {
      if (this.connection.isClosing) return null;
      throw error;
    }
  }

  override async disconnect(): Promise<void> {
    const disconnected = super.disconnect();
    this.#announcements.announce();
    await disconnected;
  }

  async #started(): Promise<EventCursor> {
    this.#starting ??= this.#start();
    const starting = this.#starting;
    try {
      return await starting;
    } catch (error) {
      if (this.#starting === starting) this.#starting = undefined;
      throw error;
    }
  }

  /** Events from now on: those already there are noted and passed over. */
  async #start(): Promise<EventCursor> {
    await this.#announcements.listen();
    const page = await this.#read(null, []);
    const cursor = new EventCursor((page.ids[0] ?? 1) - 1);
    cursor.take(page, true, Date.now());
    return cursor;
  }

  async #readOn(cursor: EventCursor): Promise<Page["events"]> {
    const isAnnounced = this.#announcements.heard > this.#heardAtRead;
    this.#heardAtRead = this.#announcements.heard;
    const page = await this.#read(cursor.after, cursor.missing);
    cursor.take(page, isAnnounced, Date.now());
    this.#isMoreToRead = page.events.length >= PAGE_MAX;
    this.#recheckMs =
      isAnnounced || page.events.length > 0
        ? RECHECK_MS_MIN
        : Math.min(2 * this.#recheckMs, RECHECK_MS_MAX);
    return page.events;
  }

  async #read(after: number | null, missing: readonly number[]): Promise<Page> {
    await this.connection.waitUntilReady();
    const { rows } = await this.connection.pool.query<EventRow>(READ_EVENTS, [
      this.queueName,
      after,
      missing,
    ]);
    const events = rows.filter((row): row is EventRow & { id: string } => row.id !== null);
    return {
      events,
      ids: events.map(({ id }) => Number(id)),
      xmin: Number(rows[0]?.xmin),
      xid: Number(rows[0]?.xid),
    };
  }
}

/** An event as Redis's streams have it: names and values in turn. */
function entryOf({ id, event, data }: EventRow & { readonly id: string }): [string, string[]] {
  return [
    id,
    [
      "event",
      event,
      ...Object.entries(data ?? {})
        .flat()
        .map(String),
    ],
  ];
}
