import type { FetchedTable } from "../modules/fetched-table.ts";
import type { FetchOutcome } from "../snmp/arrival.ts";
import type { Session } from "../snmp/session.ts";

/**
 * What one poll may bring, over all its tables: a router that never comes to an end costs the memory, the time of this
 * process and the place in the database of a large router, and no more. What was read until then is kept.
 */

export interface PollLimits {
  /** Rows of one table at which its walk is cut. */
  readonly tableRowsMax: number;
  /** Values of all tables of a poll's modules: rows × columns. */
  readonly pollValuesMax: number;
  /** Octets of all answers. */
  readonly pollBytesMax: number;
}

interface WalkRoom {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

export class PollBudget {
  readonly #session: Session;
  readonly #limits: PollLimits;
  #values = 0;

  constructor(session: Session, limits: PollLimits) {
    this.#session = session;
    this.#limits = limits;
  }

  /** What a walk of so many columns may still bring; undefined when there is no room for it. */
  roomFor(columns: number): WalkRoom | undefined {
    const { tableRowsMax, pollValuesMax } = this.#limits;
    const rowsMax = Math.min(tableRowsMax, Math.floor((pollValuesMax - this.#values) / columns));
    const bytesMax = bytesLeft(this.#session, this.#limits);
    return rowsMax > 0 && bytesMax > 0 ? { rowsMax, bytesMax } : undefined;
  }

  spend({ instances, columns }: FetchedTable): void {
    this.#values += instances.length * columns.size;
  }

  /** Why there is no room. */
  get exhausted(): { readonly outcome: FetchOutcome; readonly reason: string } {
    const { pollBytesMax, pollValuesMax } = this.#limits;
    const what =
      bytesLeft(this.#session, this.#limits) > 0
        ? `${pollValuesMax} values`
        : `${pollBytesMax} octets`;
    return { outcome: "malformed", reason: `The poll takes more than ${what}` };
  }
}

/** Octets that may still be received in this poll; zero or less when there are none. */
export function bytesLeft(
  { stats }: Session,
  { pollBytesMax }: Pick<PollLimits, "pollBytesMax">,
): number {
  return pollBytesMax - stats.bytesIn;
}
