-- MSPs and their tenants, and what capacity planning and admission need to know of zones.

set local role fairwalk_owner;

-- The MSP a tenant belongs to: its polls then take turns inside the MSP's share. Two levels, because the fair queue has
-- two: an MSP belongs to nobody, and only an MSP has tenants of its own.
alter table tenants
  add column parent_id uuid, -- null: nobody's
  add constraint tenants_parent_fkey foreign key (parent_id) references tenants (id),
  add constraint tenants_parent_check check (parent_id <> id);

-- For the foreign key, and to list the tenants of an MSP.
create index tenants_parent on tenants (parent_id) where parent_id is not null;

grant select (parent_id) on tenants to fairwalk_scheduler;

-- Keeps the two levels, whoever writes. Changes that could break them go one after the other: without the lock two of
-- them could make each other's parent at the same moment. Each refusal has a constraint's name, to be told apart by.
create function fairwalk_check_tenant_levels() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  is_moved boolean := new.parent_id is not null and (tg_op = 'INSERT' or new.parent_id is distinct from old.parent_id);
  is_no_msp_now boolean := tg_op = 'UPDATE' and old.tier = 'msp'
    and (new.tier <> 'msp' or new.parent_id is not null or new.state in ('erasing', 'erased'));
begin
  if not is_moved and not is_no_msp_now then
    return new;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('fairwalk tenant levels', 0));
  if is_no_msp_now and exists (select from public.tenants t where t.parent_id = new.id) then
    raise exception 'tenant "%" has tenants of its own', new.slug
      using errcode = 'check_violation', constraint = 'tenants_msp_stays_check';
  end if;
  if is_moved and not exists (
    select from public.tenants t
    where t.id = new.parent_id and t.id <> new.id and t.tier = 'msp' and t.parent_id is null
      and t.state in ('active', 'suspended'))
  then
    raise exception 'the parent of tenant "%" is no MSP', new.slug
      using errcode = 'check_violation', constraint = 'tenants_parent_is_msp_check';
  end if;
  return new;
end
$$;

create trigger tenants_levels_inserted before insert on tenants
  for each row execute function fairwalk_check_tenant_levels();
create trigger tenants_levels_updated before update of parent_id, tier, state on tenants
  for each row
  when (old.parent_id is distinct from new.parent_id or old.tier <> new.tier or old.state <> new.state)
  execute function fairwalk_check_tenant_levels();

-- The defaults are for a scheduler of the release before, which does not know these columns.
alter table tenant_fairness
  add column routers integer not null default 0,
  add column unreachable_routers integer not null default 0,
  add column in_flight integer not null default 0,
  add column polls_per_second float8 not null default 0, -- that came due
  add column mean_cost_ms float8; -- of a poll; null: none was measured yet

-- What a zone's tenants together asked for, in buckets of five minutes, for a day: the mean of a bucket is sum ÷ count.
create table zone_demand (
  zone_key text not null,
  bucket_at timestamptz not null,
  reports integer not null,
  demand_ms_per_second_sum float8 not null,
  constraint zone_demand_pkey primary key (zone_key, bucket_at)
) with (fillfactor = 50);

grant select, insert, update, delete on zone_demand to fairwalk_scheduler;
grant select on zone_demand to fairwalk_platform;
