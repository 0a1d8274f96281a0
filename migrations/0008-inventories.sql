-- What routers are made of and whom they know, section by section; and interfaces that stay themselves when a router
-- numbers them anew.

set local role fairwalk_owner;

-- One document a router and section: the unit in which inventories are read, written and shown. A row that only confirms
-- is written again for its read_at alone: the document keeps its place in TOAST.
create table inventories (
  tenant_id uuid not null,
  router_id uuid not null,
  section text not null,
  document jsonb not null,
  digest bytea not null,
  is_complete boolean not null, -- false: the router fell silent half-way, and nothing better was known
  read_at timestamptz not null,
  changed_at timestamptz not null,
  constraint inventories_pkey primary key (tenant_id, router_id, section),
  constraint inventories_router_fkey
    foreign key (tenant_id, router_id) references routers (tenant_id, id) on delete cascade
);

alter table inventories enable row level security;
alter table inventories force row level security;
create policy tenant_isolation on inventories
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert, update, delete on inventories to fairwalk_app;
grant delete, select (tenant_id) on inventories to fairwalk_platform;

-- An interface's identity is its own: ifIndex is what the router calls it until it restarts.
alter table interfaces add column id uuid not null default gen_random_uuid();
alter table interfaces alter column id drop default;
alter table interfaces drop constraint interfaces_pkey;
alter table interfaces add constraint interfaces_pkey primary key (tenant_id, router_id, id);
create unique index interfaces_if_index on interfaces (tenant_id, router_id, if_index) where removed_at is null;
