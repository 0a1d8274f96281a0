-- Samples and polls: partitioned by tenant, then by time, so that a query that names its tenant plans in 0.05 ms at
-- 10,000 leaves, retention is a dropped table, and the database itself refuses a row under another tenant's name.
--
-- Rows arrive by COPY into the leaf, as fairwalk_ingest, which may INSERT into leaves and do nothing else. Leaves have
-- no row-level security (COPY refuses tables that have it); their partition constraint does that work. Nobody but the
-- owner can read a leaf: reading goes through the parents, under the policy.

set local role fairwalk_owner;

-- What the numbers of a row of samples mean. Written once, referred to for months.
create table sample_shapes (
  tenant_id uuid not null,
  id bigint not null, -- the first 63 bits of the digest
  digest bytea not null,
  module text not null,
  metrics text[] not null,
  instances text[] not null,
  labels jsonb not null, -- of each instance, in their order
  created_at timestamptz not null default now(),
  constraint sample_shapes_pkey primary key (tenant_id, id) include (module), -- what a scrape asks of every row
  constraint sample_shapes_digest_key unique (tenant_id, digest),
  constraint sample_shapes_tenant_fkey foreign key (tenant_id) references tenants (id),
  constraint sample_shapes_labels_check check (jsonb_typeof(labels) = 'array')
);

alter table sample_shapes enable row level security;
alter table sample_shapes force row level security;
create policy tenant_isolation on sample_shapes
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert on sample_shapes to fairwalk_app;
grant delete, select (tenant_id) on sample_shapes to fairwalk_platform;

-- One poll of one router, one block of metrics × instances: (values or floats)[(m - 1) * instances + i] is metric m of
-- instance i; null = the router did not say. A Counter64 is its 64 bits: read it through fairwalk_counter64.
create table samples (
  tenant_id uuid not null,
  router_id uuid not null,
  shape_id bigint not null,
  polled_at timestamptz not null,
  values bigint[],
  floats float8[],
  constraint samples_kind_check check ((values is null) <> (floats is null))
) partition by list (tenant_id);

-- Inside the row, never out of line: reading one series of an array kept in TOAST costs four times as much. Leaves
-- raise toast_tuple_target for the same reason, and the writer keeps a row below a page.
alter table samples alter column values set storage main, alter column floats set storage main;

-- Inside a leaf the tenant is a constant, so no index names it. One series over time:
create index samples_series on samples (router_id, shape_id, polled_at);
-- The newest of all routers (a scrape): rows arrive in the order of time, so this one is a few pages.
create index samples_recent on samples using brin (polled_at) with (pages_per_range = 32, autosummarize = on);

alter table samples enable row level security;
alter table samples force row level security;
create policy tenant_isolation on samples
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select on samples to fairwalk_app;

create table polls (
  tenant_id uuid not null,
  router_id uuid not null,
  polled_at timestamptz not null,
  due_at timestamptz not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  outcome text not null,
  cost_ms integer not null,
  requests integer not null,
  retries integer not null,
  bytes_in bigint not null,
  detail jsonb not null -- how each module went
) partition by list (tenant_id);

create index polls_router on polls (router_id, polled_at);
create index polls_recent on polls using brin (polled_at) with (pages_per_range = 32, autosummarize = on);

alter table polls enable row level security;
alter table polls force row level security;
create policy tenant_isolation on polls
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select on polls to fairwalk_app;

-- One row a flush, in the flush's transaction: a flush that is sent again finds its row and changes nothing. Ids are
-- UUIDv7, so old ones are found by their id.
create table ingest_flushes (
  id uuid not null,
  row_count integer not null,
  flushed_at timestamptz not null default now(),
  constraint ingest_flushes_pkey primary key (id)
);

grant insert on ingest_flushes to fairwalk_ingest;
grant delete, select (id) on ingest_flushes to fairwalk_scheduler;

-- A Counter64 as it was sent: above 2^63 it is stored as a negative number.
create function fairwalk_counter64(value bigint) returns numeric
  language sql immutable strict parallel safe
  return case when value < 0 then value::numeric + 18446744073709551616 else value::numeric end;

-- The leaves of a tenant's samples and polls, with the time each covers: [lower, upper).
create function fairwalk_leaves(tenant uuid)
  returns table (parent text, leaf text, lower timestamptz, upper timestamptz)
  language sql stable
  set search_path = pg_catalog, pg_temp
  set datestyle = 'ISO, YMD'
  set timezone = 'UTC'
as $$
  select
    parents.parent,
    leaves.relname::text,
    (regexp_match(bounds.text, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
    (regexp_match(bounds.text, 'TO \(''([^'']+)''\)'))[1]::timestamptz
  from (values ('samples'), ('polls')) as parents (parent)
  join pg_inherits i
    on i.inhparent = to_regclass('public.' || parents.parent || '_' || replace(tenant::text, '-', ''))
  join pg_class leaves on leaves.oid = i.inhrelid
  cross join lateral (select pg_get_expr(leaves.relpartbound, leaves.oid)) as bounds (text)
$$;

-- Makes the tenant's leaves for the given times, and its parts of samples and polls with the first. What exists stays.
-- A table is made apart and then attached: that blocks neither readers nor writers of the others.
create function fairwalk_make_partitions(tenant uuid, lowers timestamptz[], uppers timestamptz[])
  returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  callers_tenant text := coalesce(current_setting('fairwalk.tenant_id', true), '');
  parent text;
  part text;
  leaf text;
  made integer := 0;
begin
  perform set_config('fairwalk.tenant_id', tenant::text, true);
  perform from public.tenants t where t.id = tenant and t.state not in ('erasing', 'erased') for key share;
  if not found then
    raise exception 'Cannot make partitions of tenant "%": it does not exist or is being erased', tenant
      using errcode = 'foreign_key_violation';
  end if;
  perform set_config('fairwalk.tenant_id', callers_tenant, true);
  perform pg_advisory_xact_lock(hashtextextended('fairwalk partitions ' || tenant, 0));

  foreach parent in array array['samples', 'polls'] loop
    part := parent || '_' || replace(tenant::text, '-', '');
    if to_regclass('public.' || part) is null then
      execute format(
        'create table public.%I (like public.%I including storage including constraints) partition by range (polled_at)',
        part, parent);
      execute format('alter table public.%I attach partition public.%I for values in (%L)', parent, part, tenant);
    end if;
    for i in 1 .. coalesce(array_length(lowers, 1), 0) loop
      leaf := part || '_' || to_char(lowers[i] at time zone 'UTC', 'YYYYMMDD');
      continue when to_regclass('public.' || leaf) is not null;
      execute format(
        'create table public.%I (like public.%I including storage including constraints) with (toast_tuple_target = 8160)',
        leaf, parent);
      execute format(
        'alter table public.%I attach partition public.%I for values from (%L) to (%L)',
        part, leaf, lowers[i], uppers[i]);
      execute format('grant insert on public.%I to fairwalk_ingest', leaf);
      made := made + 1;
    end loop;
  end loop;
  return made;
end
$$;

-- Retention: drops the tenant's leaves that end at or before the given time.
create function fairwalk_drop_leaves(tenant uuid, before timestamptz)
  returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  old record;
  dropped integer := 0;
begin
  for old in select l.leaf from public.fairwalk_leaves(tenant) l where l.upper <= before order by l.upper loop
    execute format('drop table public.%I', old.leaf);
    dropped := dropped + 1;
  end loop;
  return dropped;
end
$$;

-- Erasure: drops everything the tenant's routers ever said.
create function fairwalk_drop_partitions(tenant uuid)
  returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('drop table if exists public.%I', 'samples_' || replace(tenant::text, '-', ''));
  execute format('drop table if exists public.%I', 'polls_' || replace(tenant::text, '-', ''));
end
$$;

revoke execute on function fairwalk_make_partitions(uuid, timestamptz[], timestamptz[]) from public;
revoke execute on function fairwalk_drop_leaves(uuid, timestamptz) from public;
revoke execute on function fairwalk_drop_partitions(uuid) from public;
grant execute on function fairwalk_make_partitions(uuid, timestamptz[], timestamptz[])
  to fairwalk_platform, fairwalk_scheduler;
grant execute on function fairwalk_drop_leaves(uuid, timestamptz) to fairwalk_platform, fairwalk_scheduler;
grant execute on function fairwalk_drop_partitions(uuid) to fairwalk_platform;
