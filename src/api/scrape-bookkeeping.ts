import { isFresh, type PlainFamily } from "../modules/exposition.ts";
import type { ModuleReport, PollRecord } from "../routers/samples.ts";
import { pollsOfRouter } from "../storage/polls.ts";
import type { TenantClient } from "../storage/pool.ts";
import type { StoredRouter } from "../storage/routers.ts";
import { Problem } from "./problems.ts";

interface Shown {
  readonly modulesShown: ReadonlySet<string> | undefined;
  readonly nowMs: number;
}

/**
 * The series with which snmp_exporter says how a scrape went, from the router's last poll. Throws a Problem when the
 * router did not answer it, or it is too old: a scrape of nothing must fail, or `up` would say that all is well.
 */
export async function bookkeeping(
  client: TenantClient,
  { id, intervalSeconds }: StoredRouter,
  { modulesShown, nowMs }: Shown,
): Promise<PlainFamily[]> {
  const [poll] = await pollsOfRouter(client, client.tenantId, { routerId: id, limit: 1 });
  const isAnswered = poll?.outcome === "answered" || poll?.outcome === "partial";
  if (poll === undefined || !isAnswered || !isFresh(poll.polledAtMs, intervalSeconds, nowMs)) {
    throw new Problem("router-silent", { detail: "The router has no answered poll that is fresh" });
  }
  const reports = poll.modules.filter((it) => modulesShown?.has(it.module) ?? true);
  return familiesOf(poll, reports);
}

function familiesOf(poll: PollRecord, reports: readonly ModuleReport[]): PlainFamily[] {
  const gauge = (
    name: string,
    help: string,
    of: (report: ModuleReport) => number | undefined,
  ): PlainFamily => ({
    name,
    help,
    type: "gauge",
    series: reports.flatMap((report) => {
      const value = of(report);
      return value === undefined ? [] : [{ labels: { module: report.module }, value }];
    }),
  });
  return [
    gauge("snmp_scrape_duration_seconds", "How long the poll took.", () => poll.durationMs / 1_000),
    gauge(
      "snmp_scrape_walk_duration_seconds",
      "How long its walks took.",
      ({ walkMs }) => walkMs && walkMs / 1_000,
    ),
    gauge("snmp_scrape_packets_retried", "Requests that were sent again.", (it) => it.retries),
    gauge("snmp_scrape_packets_sent", "Requests sent, with those sent again.", (it) => it.requests),
    gauge("snmp_scrape_pdus_returned", "Values that were read.", (it) => it.varbinds),
  ];
}
