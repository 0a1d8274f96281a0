-- What routers said of their neighbours and peers, and for how long they said so: links are computed from it as they are
-- now and as they were. One row for as long as a router says the same; a change ends it and begins another. What a router
-- only confirms is not written again: the reading itself (inventories.read_at) is the proof that it was still there.

set local role fairwalk_owner;

create table neighbour_observations (
  tenant_id uuid not null,
  router_id uuid not null,
  kind text not null, -- which table of the router: neighbours by LLDP and CDP, BGP peers, OSPF neighbours
  key text not null, -- the row in it, by what stays the same from reading to reading
  valid_from timestamptz not null, -- the reading that first said exactly this
  facts jsonb not null,
  first_seen_at timestamptz not null, -- the first reading with this neighbour, whatever else was said of it
  last_seen_at timestamptz not null, -- at least so long; the section's read_at may prove longer
  gone_at timestamptz, -- the reading that no longer said so; null: nothing has spoken against it yet
  constraint neighbour_observations_pkey primary key (tenant_id, router_id, kind, key, valid_from),
  constraint neighbour_observations_router_fkey
    foreign key (tenant_id, router_id) references routers (tenant_id, id) on delete cascade,
  constraint neighbour_observations_kind_check check (kind in ('neighbour', 'bgp', 'ospf')),
  constraint neighbour_observations_gone_check check (gone_at >= valid_from)
);

-- One present row a key, whoever reads the router at the same moment.
create unique index neighbour_observations_present on neighbour_observations (tenant_id, router_id, kind, key)
  where gone_at is null;
-- What was there at a time: all that is present, and what has gone since.
create index neighbour_observations_gone on neighbour_observations (tenant_id, gone_at);

alter table neighbour_observations enable row level security;
alter table neighbour_observations force row level security;
create policy tenant_isolation on neighbour_observations
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert, update, delete on neighbour_observations to fairwalk_app;
grant delete, select (tenant_id) on neighbour_observations to fairwalk_platform;
