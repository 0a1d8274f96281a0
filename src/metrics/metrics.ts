import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Seconds. Lateness of a healthy system lies in the first buckets; a poll a minute late has missed its interval. */
const LATENESS_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Seconds. From a router in the same building to the longest deadline. */
const POLL_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Seconds. One flush is one transaction. */
const FLUSH_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/**
 * Every Prometheus metric of ours, in one place: the contract for alerts. Prefix `fairwalk_`, base units.
 * Labels are bounded: a tier, an outcome, a reason, a zone; `tenant` only for the few with the largest demand.
 */
export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    pollLateness: new Histogram({
      name: "fairwalk_poll_lateness_seconds",
      help: "Time from when a poll was due to when a worker started it",
      labelNames: ["tier"],
      buckets: LATENESS_BUCKETS,
      registers,
    }),
    polls: new Counter({
      name: "fairwalk_polls_total",
      help: "Polls that ended, by how they ended",
      labelNames: ["tier", "outcome"],
      registers,
    }),
    pollSkips: new Counter({
      name: "fairwalk_poll_skips_total",
      help: "Due times that passed without a poll, by reason",
      labelNames: ["reason"],
      registers,
    }),
    pollDuration: new Histogram({
      name: "fairwalk_poll_duration_seconds",
      help: "Time a poll held a worker slot",
      buckets: POLL_BUCKETS,
      registers,
    }),
    tenantOnTimeRatio: new Gauge({
      name: "fairwalk_tenant_on_time_ratio",
      help: "Share of a tenant's polls that started on time, over the last minutes",
      labelNames: ["tenant"],
      registers,
    }),
    tenantBacklog: new Gauge({
      name: "fairwalk_tenant_backlog",
      help: "Polls of a tenant that are due and not yet released",
      labelNames: ["tenant"],
      registers,
    }),
    tenantShareRatio: new Gauge({
      name: "fairwalk_tenant_share_ratio",
      help: "Slot time a tenant received, divided by its fair share",
      labelNames: ["tenant"],
      registers,
    }),
    schedulerIsLeader: new Gauge({
      name: "fairwalk_scheduler_is_leader",
      help: "1 while this process schedules the zone",
      labelNames: ["zone"],
      registers,
    }),
    schedulerWindow: new Gauge({
      name: "fairwalk_scheduler_window",
      help: "Polls that may be released and not yet finished",
      labelNames: ["zone"],
      registers,
    }),
    pollsUnheard: new Counter({
      name: "fairwalk_polls_unheard_total",
      help: "Polls whose end no event of the queue told: the queue had to be asked",
      labelNames: ["zone"],
      registers,
    }),
    zoneSuspected: new Gauge({
      name: "fairwalk_zone_suspected",
      help: "1 while nearly every router of the zone is silent: the zone's network is suspected, not the routers",
      labelNames: ["zone"],
      registers,
    }),
    demand: new Gauge({
      name: "fairwalk_demand_worker_seconds_per_second",
      help: "Slots the zone's routers keep busy on average: the sum of poll cost divided by interval",
      labelNames: ["zone"],
      registers,
    }),
    workerSlots: new Gauge({
      name: "fairwalk_worker_slots",
      help: "Poll slots of this process by state: busy or free",
      labelNames: ["zone", "state"],
      registers,
    }),
    workerPressure: new Gauge({
      name: "fairwalk_worker_pressure",
      help: "Share of its slots this process withholds, by what is behind: writer, spool or event_loop",
      labelNames: ["reason"],
      registers,
    }),
    ingestRows: new Counter({
      name: "fairwalk_ingest_rows_total",
      help: "Rows of samples and polls committed to Postgres",
      registers,
    }),
    ingestFlush: new Histogram({
      name: "fairwalk_ingest_flush_seconds",
      help: "Duration of one flush of samples to Postgres",
      buckets: FLUSH_BUCKETS,
      registers,
    }),
    ingestFlushFailures: new Counter({
      name: "fairwalk_ingest_flush_failures_total",
      help: "Flushes that Postgres did not take or that were cut off; each is tried again or spooled",
      registers,
    }),
    ingestRefusedPolls: new Counter({
      name: "fairwalk_ingest_refused_polls_total",
      help: "Polls whose samples Postgres refuses for good; each is logged with its router and the reason",
      registers,
    }),
    ingestWaitingPolls: new Gauge({
      name: "fairwalk_ingest_waiting_polls",
      help: "Polls whose samples wait to be committed",
      registers,
    }),
    spoolBytes: new Gauge({
      name: "fairwalk_spool_bytes",
      help: "Bytes of samples on local disk that Postgres does not have yet",
      registers,
    }),
    spoolOldestAge: new Gauge({
      name: "fairwalk_spool_oldest_age_seconds",
      help: "Age of the oldest samples on local disk that Postgres does not have yet; 0 when there are none",
      registers,
    }),
    spoolPolls: new Counter({
      name: "fairwalk_spool_polls_total",
      help: "Polls by what happened to them in the spool: appended, replayed, or quarantined because Postgres refuses them",
      labelNames: ["event"],
      registers,
    }),
    spoolCutBytes: new Counter({
      name: "fairwalk_spool_cut_bytes_total",
      help: "Damaged bytes found in the spool and put aside",
      registers,
    }),
    rollupRows: new Counter({
      name: "fairwalk_rollup_rows_total",
      help: "Rows of rollups computed, by step: 5m or 1h",
      labelNames: ["step"],
      registers,
    }),
    rollupLag: new Gauge({
      name: "fairwalk_rollup_lag_seconds",
      help: "Time since the oldest bucket ended that is not rolled up yet",
      registers,
    }),
    maintenanceLastSuccess: new Gauge({
      name: "fairwalk_maintenance_last_success_timestamp_seconds",
      help: "When a task of the database's maintenance last succeeded in this process",
      labelNames: ["task"],
      registers,
    }),
    maintenanceFailures: new Counter({
      name: "fairwalk_maintenance_failures_total",
      help: "Runs of a maintenance task that failed; each is tried again",
      labelNames: ["task"],
      registers,
    }),
    maintenanceDuration: new Gauge({
      name: "fairwalk_maintenance_duration_seconds",
      help: "How long a maintenance task last took",
      labelNames: ["task"],
      registers,
    }),
    maintenanceProgress: new Gauge({
      name: "fairwalk_maintenance_progress_ratio",
      help: "Share of the tenants that the present run of a maintenance task has seen to",
      labelNames: ["task"],
      registers,
    }),
    snmpRequests: new Counter({
      name: "fairwalk_snmp_requests_total",
      help: "SNMP requests by result: sent, retried, answered, timeout; answers dropped: late, spoofed, malformed; duplicate_engine: a router with the SNMPv3 engine id of another",
      labelNames: ["result"],
      registers,
    }),
  };
}
