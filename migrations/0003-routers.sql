-- What tenants register: zones, credentials, routers; and what routers said of themselves: interfaces, texts.

set local role fairwalk_owner;

-- Zones of the platform, which every tenant may put routers in. Their zone key is their name; the key of a tenant's own
-- zone is "<slug>.<name>", and no name has a dot, so the two never meet.
create table shared_zones (
  name text not null,
  created_at timestamptz not null default now(),
  constraint shared_zones_pkey primary key (name),
  constraint shared_zones_name_check check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')
);

grant select on shared_zones to fairwalk_app, fairwalk_scheduler;
grant select, insert, delete on shared_zones to fairwalk_platform;

insert into shared_zones (name) values ('default');

create table zones (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  created_at timestamptz not null,
  constraint zones_pkey primary key (tenant_id, id),
  constraint zones_name_key unique (tenant_id, name),
  constraint zones_tenant_fkey foreign key (tenant_id) references tenants (id),
  constraint zones_name_check check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')
);

alter table zones enable row level security;
alter table zones force row level security;
create policy tenant_isolation on zones
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert, delete on zones to fairwalk_app;
grant delete, select (tenant_id) on zones to fairwalk_platform;

-- `sealed` is the whole credential, AES-256-GCM under the tenant's data key, bound to (tenant, id). The columns beside
-- it are what may be shown.
create table credentials (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  version text not null,
  username text,
  security_level text,
  auth_protocol text,
  priv_protocol text,
  sealed bytea not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint credentials_pkey primary key (tenant_id, id),
  constraint credentials_name_key unique (tenant_id, name),
  constraint credentials_tenant_fkey foreign key (tenant_id) references tenants (id),
  constraint credentials_name_check check (length(name) between 1 and 200),
  constraint credentials_version_check check (version in ('1', '2c', '3'))
);

alter table credentials enable row level security;
alter table credentials force row level security;
create policy tenant_isolation on credentials
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert, update, delete on credentials to fairwalk_app;
grant delete, select (tenant_id) on credentials to fairwalk_platform;

create table routers (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  address inet not null,
  port integer not null,
  context text not null,
  zone text not null,
  zone_key text not null,
  zone_id uuid, -- null: a shared zone
  credential_id uuid not null,
  interval_seconds integer not null,
  modules text[], -- null: chosen by profile
  labels jsonb not null,
  enabled boolean not null,
  poll_requested_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint routers_pkey primary key (tenant_id, id),
  constraint routers_name_key unique (tenant_id, name),
  constraint routers_identity_key unique (tenant_id, zone_key, address, port, context),
  constraint routers_tenant_fkey foreign key (tenant_id) references tenants (id),
  constraint routers_credential_fkey
    foreign key (tenant_id, credential_id) references credentials (tenant_id, id),
  constraint routers_zone_fkey foreign key (tenant_id, zone_id) references zones (tenant_id, id),
  constraint routers_name_check check (length(name) between 1 and 200),
  constraint routers_address_check
    check (masklen(address) = case family(address) when 4 then 32 else 128 end),
  constraint routers_port_check check (port between 1 and 65535),
  constraint routers_interval_check check (interval_seconds between 1 and 86400),
  constraint routers_labels_check check (jsonb_typeof(labels) = 'object')
);

-- Both for the foreign keys: deleting a credential or a zone asks whether a router uses it.
create index routers_credential on routers (tenant_id, credential_id);
create index routers_zone on routers (tenant_id, zone_id) where zone_id is not null;
-- The scheduler of a zone reads the routers of all tenants in it; no tenant's own query uses this one.
create index routers_zone_key on routers (zone_key);

alter table routers enable row level security;
alter table routers force row level security;
create policy tenant_isolation on routers
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));
create policy scheduler_read on routers for select to fairwalk_scheduler using (true);
create policy platform_read on routers for select to fairwalk_platform using (true);

grant select, insert, update, delete on routers to fairwalk_app;
grant select (tenant_id, id, zone_key, interval_seconds, enabled, poll_requested_at, created_at)
  on routers to fairwalk_scheduler;
grant delete, select (tenant_id, id, zone_key, interval_seconds, enabled) on routers to fairwalk_platform;

create table interfaces (
  tenant_id uuid not null,
  router_id uuid not null,
  if_index integer not null,
  if_name text,
  if_descr text,
  if_alias text,
  if_type integer,
  if_phys_address text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null, -- to the hour: a row that only confirms is not written again
  removed_at timestamptz, -- the router stopped listing it
  constraint interfaces_pkey primary key (tenant_id, router_id, if_index),
  constraint interfaces_router_fkey
    foreign key (tenant_id, router_id) references routers (tenant_id, id) on delete cascade
);

alter table interfaces enable row level security;
alter table interfaces force row level security;
create policy tenant_isolation on interfaces
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert, update, delete on interfaces to fairwalk_app;
grant delete, select (tenant_id) on interfaces to fairwalk_platform;

create table text_facts (
  tenant_id uuid not null,
  router_id uuid not null,
  module text not null,
  metric text not null,
  instance text not null,
  labels jsonb not null,
  value text not null,
  seen_at timestamptz not null, -- to the hour, as interfaces.last_seen_at
  constraint text_facts_pkey primary key (tenant_id, router_id, module, metric, instance),
  constraint text_facts_router_fkey
    foreign key (tenant_id, router_id) references routers (tenant_id, id) on delete cascade
);

alter table text_facts enable row level security;
alter table text_facts force row level security;
create policy tenant_isolation on text_facts
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert, update, delete on text_facts to fairwalk_app;
grant delete, select (tenant_id) on text_facts to fairwalk_platform;
