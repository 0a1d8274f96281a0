-- Rollups: every series summed up by 5 minutes and by the hour, kept longer than the samples they are made of.
--
-- They are computed by a role of their own, fairwalk_rollup: it reads samples and writes rollups of the tenant its
-- transaction was begun for, under the same policy as everyone, and can see nothing else. Which tenants have something to
-- sum up is the scheduler's to know, who sees no sample. No role has both.

do $$
declare
  is_member boolean;
begin
  if not exists (select from pg_roles where rolname = 'fairwalk_rollup') then
    begin
      create role fairwalk_rollup nologin;
    exception when duplicate_object or unique_violation then
      null; -- Another database of this cluster is being migrated at the same moment.
    end;
  end if;
  if current_setting('server_version_num')::integer >= 160000 then
    is_member := pg_has_role(current_user, 'fairwalk_rollup', 'SET');
    if not is_member then
      grant fairwalk_rollup to current_user with inherit false, set true;
    end if;
  else
    is_member := pg_has_role(current_user, 'fairwalk_rollup', 'MEMBER');
    if not is_member then
      grant fairwalk_rollup to current_user;
    end if;
  end if;
end
$$;

grant usage on schema public to fairwalk_rollup;

set local role fairwalk_owner;

-- One router, one shape, one bucket of 5 minutes. Arrays are laid out as those of samples: element
-- (m - 1) * instances + i is metric m of instance i. A counter has an increase and the time it was measured over, a gauge
-- the others; null = does not apply, or the router did not say. Counts, times and resets have one element when it holds
-- for every value, which is the rule.
create table rollups_5m (
  tenant_id uuid not null,
  router_id uuid not null,
  shape_id bigint not null,
  bucket timestamptz not null, -- where it begins; a sample at its end belongs to the next
  last_at timestamptz not null, -- the newest sample in it
  counts integer[] not null, -- samples
  covered_ms bigint[] not null, -- what the increases were measured over: from sample to sample, the first from before the bucket
  resets integer[] not null, -- times a counter began anew: its increase up to there is unknown, and not made up
  increases bigint[], -- 64 bits without sign, as fairwalk_counter64 reads them; null for shapes of floats
  float_increases float8[], -- of shapes of floats
  minima float8[] not null,
  maxima float8[] not null,
  lasts float8[] not null,
  sums float8[] not null, -- with counts: the average, here and over several buckets
  constraint rollups_5m_pkey primary key (tenant_id, router_id, shape_id, bucket),
  constraint rollups_5m_kind_check check ((increases is null) <> (float_increases is null))
) partition by list (tenant_id);

-- Inside the row, as samples are, but compressed there: rollups are written once and kept for years.
alter table rollups_5m
  alter column counts set storage main, alter column covered_ms set storage main, alter column resets set storage main,
  alter column increases set storage main, alter column float_increases set storage main,
  alter column minima set storage main, alter column maxima set storage main, alter column lasts set storage main,
  alter column sums set storage main;

-- All routers over a time.
create index rollups_5m_recent on rollups_5m using brin (bucket) with (pages_per_range = 32, autosummarize = on);

create table rollups_1h (
  like rollups_5m including storage including constraints,
  constraint rollups_1h_pkey primary key (tenant_id, router_id, shape_id, bucket)
) partition by list (tenant_id);

create index rollups_1h_recent on rollups_1h using brin (bucket) with (pages_per_range = 32, autosummarize = on);

-- What a flush touched: the buckets of 5 minutes its polls fall into, and whose. Written in the flush's transaction, so
-- samples that arrive late mark their bucket like all others. Appended without an index: flushes never wait for each other.
create table rollup_marks (
  flush_id uuid not null,
  bucket timestamptz not null,
  tenant_ids uuid[] not null
);

grant insert on rollup_marks to fairwalk_ingest;
grant select, delete on rollup_marks to fairwalk_scheduler;
grant select on rollup_marks to fairwalk_platform;

-- Buckets that are to be computed, or computed again. A bucket marked again while it is computed stays: its number of
-- marks has changed.
create table rollup_due (
  tenant_id uuid not null,
  step_seconds integer not null,
  bucket timestamptz not null,
  marks bigint not null default 1,
  constraint rollup_due_pkey primary key (tenant_id, step_seconds, bucket),
  constraint rollup_due_tenant_fkey foreign key (tenant_id) references tenants (id),
  constraint rollup_due_step_check check (step_seconds in (300, 3600))
) with (fillfactor = 50);

-- How far a tenant's rollups of 5 minutes reach: what is marked before that is late, and may change what comes after it.
create table rollup_state (
  tenant_id uuid not null,
  rolled_until timestamptz not null,
  constraint rollup_state_pkey primary key (tenant_id),
  constraint rollup_state_tenant_fkey foreign key (tenant_id) references tenants (id)
) with (fillfactor = 50);

do $$
declare
  name text;
begin
  foreach name in array array['rollups_5m', 'rollups_1h', 'rollup_due', 'rollup_state'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant_isolation on %I
         using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()))', name);
    execute format('grant select on %I to fairwalk_app', name);
    execute format('grant select, insert, update on %I to fairwalk_rollup', name);
  end loop;
end
$$;

grant delete on rollup_due to fairwalk_rollup;
grant select on samples, polls, sample_shapes to fairwalk_rollup;

create policy scheduler_all on rollup_due to fairwalk_scheduler using (true) with check (true);
create policy scheduler_read on rollup_state for select to fairwalk_scheduler using (true);
create policy platform_all on rollup_due to fairwalk_platform using (true) with check (true);
create policy platform_all on rollup_state to fairwalk_platform using (true) with check (true);
grant select, insert, update (marks) on rollup_due to fairwalk_scheduler;
grant select on rollup_state to fairwalk_scheduler;
grant select, delete on rollup_due, rollup_state to fairwalk_platform;

-- When a shape was last stored by a worker, to half a day: one that was last used before the oldest leaf begins is
-- referred to by nothing any more.
alter table sample_shapes add column used_at timestamptz not null default now();
grant update (used_at) on sample_shapes to fairwalk_app;
grant delete on sample_shapes to fairwalk_rollup;

-- The leaves of one of a tenant's partitioned tables, with the time each covers: [lower, upper).
create function fairwalk_table_leaves(tenant uuid, parent text)
  returns table (leaf text, lower timestamptz, upper timestamptz)
  language sql stable
  set search_path = pg_catalog, pg_temp
  set datestyle = 'ISO, YMD'
  set timezone = 'UTC'
as $$
  select
    leaves.relname::text,
    (regexp_match(bounds.text, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
    (regexp_match(bounds.text, 'TO \(''([^'']+)''\)'))[1]::timestamptz
  from pg_inherits i
  join pg_class leaves on leaves.oid = i.inhrelid
  cross join lateral (select pg_get_expr(leaves.relpartbound, leaves.oid)) as bounds (text)
  where i.inhparent = to_regclass('public.' || parent || '_' || replace(tenant::text, '-', ''))
$$;

create or replace function fairwalk_leaves(tenant uuid)
  returns table (parent text, leaf text, lower timestamptz, upper timestamptz)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select parents.parent, l.leaf, l.lower, l.upper
  from (values ('samples'), ('polls')) as parents (parent)
  cross join lateral public.fairwalk_table_leaves(tenant, parents.parent) l
$$;

-- Makes the tenant's leaves of one table for the given times, and its part of that table with the first. What exists
-- stays. A table is made apart and then attached: that blocks neither readers nor writers of the others.
create function fairwalk_make_leaves(tenant uuid, parent text, lowers timestamptz[], uppers timestamptz[])
  returns integer
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  callers_tenant text := coalesce(current_setting('fairwalk.tenant_id', true), '');
  part text := parent || '_' || replace(tenant::text, '-', '');
  is_ingested boolean := parent in ('samples', 'polls');
  leaf text;
  time_column text;
  made integer := 0;
begin
  if parent not in ('samples', 'polls', 'rollups_5m', 'rollups_1h') then
    raise exception 'Cannot make partitions of "%"', parent using errcode = 'invalid_parameter_value';
  end if;
  time_column := case when is_ingested then 'polled_at' else 'bucket' end;
  perform set_config('fairwalk.tenant_id', tenant::text, true);
  perform from public.tenants t where t.id = tenant and t.state not in ('erasing', 'erased') for key share;
  if not found then
    raise exception 'Cannot make partitions of tenant "%": it does not exist or is being erased', tenant
      using errcode = 'foreign_key_violation';
  end if;
  perform set_config('fairwalk.tenant_id', callers_tenant, true);
  perform pg_advisory_xact_lock(hashtextextended('fairwalk partitions ' || tenant, 0));

  if to_regclass('public.' || part) is null then
    execute format(
      'create table public.%I (like public.%I including storage including constraints) partition by range (%I)',
      part, parent, time_column);
    execute format('alter table public.%I attach partition public.%I for values in (%L)', parent, part, tenant);
  end if;
  for i in 1 .. coalesce(array_length(lowers, 1), 0) loop
    leaf := part || '_' || to_char(lowers[i] at time zone 'UTC', 'YYYYMMDD');
    continue when to_regclass('public.' || leaf) is not null;
    execute format(
      'create table public.%I (like public.%I including storage including constraints)', leaf, parent);
    if is_ingested then
      execute format('alter table public.%I set (toast_tuple_target = 8160)', leaf);
    end if;
    execute format(
      'alter table public.%I attach partition public.%I for values from (%L) to (%L)',
      part, leaf, lowers[i], uppers[i]);
    if is_ingested then
      execute format('grant insert on public.%I to fairwalk_ingest', leaf);
    end if;
    made := made + 1;
  end loop;
  return made;
end
$$;

create or replace function fairwalk_make_partitions(tenant uuid, lowers timestamptz[], uppers timestamptz[])
  returns integer
  language sql security definer
  set search_path = pg_catalog, pg_temp
as $$
  select public.fairwalk_make_leaves(tenant, 'samples', lowers, uppers)
    + public.fairwalk_make_leaves(tenant, 'polls', lowers, uppers)
$$;

-- Drops one leaf of the tenant's; false when it is not there, or none of its leaves. It locks the tenant's own part of
-- that table for a moment and nothing of the others.
create function fairwalk_drop_leaf(tenant uuid, parent text, leaf text)
  returns boolean
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if parent not in ('samples', 'polls', 'rollups_5m', 'rollups_1h')
    or not exists (select from public.fairwalk_table_leaves(tenant, parent) l where l.leaf = fairwalk_drop_leaf.leaf)
  then
    return false;
  end if;
  execute format('drop table public.%I', leaf);
  return true;
end
$$;

-- Drops what the tenant has of one table. Without leaves that is an empty table, and a lock on all tenants' for an instant.
create function fairwalk_drop_part(tenant uuid, parent text)
  returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if parent not in ('samples', 'polls', 'rollups_5m', 'rollups_1h') then
    raise exception 'Cannot drop partitions of "%"', parent using errcode = 'invalid_parameter_value';
  end if;
  execute format('drop table if exists public.%I', parent || '_' || replace(tenant::text, '-', ''));
end
$$;

create or replace function fairwalk_drop_partitions(tenant uuid)
  returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform public.fairwalk_drop_part(tenant, parents.parent)
  from (values ('samples'), ('polls'), ('rollups_5m'), ('rollups_1h')) as parents (parent);
end
$$;

revoke execute on function fairwalk_make_leaves(uuid, text, timestamptz[], timestamptz[]) from public;
revoke execute on function fairwalk_drop_leaf(uuid, text, text) from public;
revoke execute on function fairwalk_drop_part(uuid, text) from public;
grant execute on function fairwalk_make_leaves(uuid, text, timestamptz[], timestamptz[])
  to fairwalk_platform, fairwalk_scheduler;
grant execute on function fairwalk_drop_leaf(uuid, text, text) to fairwalk_platform, fairwalk_scheduler;
grant execute on function fairwalk_drop_part(uuid, text) to fairwalk_platform;
