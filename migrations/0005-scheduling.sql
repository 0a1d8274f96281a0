-- What the scheduler and the workers tell each other and the platform's administrators. Rewritten every few seconds;
-- losing it loses nothing.

set local role fairwalk_owner;

create table workers (
  worker_id text not null,
  hostname text not null,
  version text not null,
  zones text[] not null, -- zone keys
  concurrency integer not null, -- poll slots it runs with
  busy integer not null,
  free integer not null, -- slots it offers: fewer than concurrency - busy while its writer or spool fills
  desired_concurrency integer, -- asked for by an administrator; null: its own configuration
  started_at timestamptz not null,
  heartbeat_at timestamptz not null,
  constraint workers_pkey primary key (worker_id),
  constraint workers_desired_concurrency_check check (desired_concurrency between 1 and 100000)
) with (fillfactor = 50); -- heartbeats update rows in place

grant select, insert, update, delete on workers to fairwalk_scheduler;
grant select, update (desired_concurrency) on workers to fairwalk_platform;

create table tenant_fairness (
  tenant_id uuid not null,
  zone_key text not null,
  weight float8 not null,
  demand_ms_per_second float8 not null, -- slot time its routers ask for
  received_ms float8 not null, -- slot time it got
  fair_share_ms float8 not null, -- slot time it would have got of an ideal scheduler
  backlog integer not null, -- polls due and not started
  oldest_due_at timestamptz, -- null: nothing is due
  lateness_p50_ms float8, -- null: nothing was started
  lateness_p99_ms float8,
  on_time_ratio float8,
  polls jsonb not null, -- by outcome
  skips jsonb not null, -- by reason
  updated_at timestamptz not null,
  constraint tenant_fairness_pkey primary key (tenant_id, zone_key),
  constraint tenant_fairness_tenant_fkey foreign key (tenant_id) references tenants (id)
) with (fillfactor = 50);

alter table tenant_fairness enable row level security;
alter table tenant_fairness force row level security;
create policy tenant_isolation on tenant_fairness
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));
create policy scheduler_all on tenant_fairness to fairwalk_scheduler using (true) with check (true);
create policy platform_all on tenant_fairness to fairwalk_platform using (true) with check (true);

grant select on tenant_fairness to fairwalk_app;
grant select, insert, update, delete on tenant_fairness to fairwalk_scheduler;
grant select, delete on tenant_fairness to fairwalk_platform;
