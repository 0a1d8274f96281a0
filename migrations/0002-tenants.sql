-- Tenants, their keys, and how the database tells them apart.
--
-- Every table that holds something of a tenant has the policy "tenant_isolation": the rows of the tenant the transaction
-- was begun for, and no others. Roles that work across tenants have their own named policies beside it, and grants on
-- the columns they need. Row-level security is forced, so that it holds for the owner too.

set local role fairwalk_owner;

-- The tenant of the transaction. Unset means null, so no row matches: never an error, never every row. Once it was set,
-- it is '' rather than null for the rest of the session.
create function fairwalk_tenant() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('fairwalk.tenant_id', true), '')::uuid;

create table tenants (
  id uuid not null,
  name text not null,
  slug text not null,
  tier text not null,
  state text not null default 'active',
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint tenants_pkey primary key (id),
  constraint tenants_slug_key unique (slug),
  constraint tenants_name_check check (length(name) between 1 and 200),
  constraint tenants_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  constraint tenants_tier_check check (tier in ('free', 'professional', 'business', 'enterprise', 'msp')),
  constraint tenants_state_check
    check (state in ('active', 'suspended', 'pending_deletion', 'erasing', 'erased'))
);

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant_isolation on tenants
  using (id = (select fairwalk_tenant())) with check (id = (select fairwalk_tenant()));
create policy platform_all on tenants to fairwalk_platform using (true) with check (true);
create policy scheduler_read on tenants for select to fairwalk_scheduler using (true);

grant select on tenants to fairwalk_app;
grant select (id, slug, tier, state, created_at) on tenants to fairwalk_scheduler;
grant select, insert, update, delete on tenants to fairwalk_platform;

-- A tenant's data key, wrapped by the master key. `master_key_id` says by which, so that a wrong one is named as such.
create table tenant_keys (
  tenant_id uuid not null,
  wrapped_key bytea not null,
  master_key_id text not null,
  created_at timestamptz not null,
  constraint tenant_keys_pkey primary key (tenant_id),
  constraint tenant_keys_tenant_fkey foreign key (tenant_id) references tenants (id)
);

alter table tenant_keys enable row level security;
alter table tenant_keys force row level security;
create policy tenant_isolation on tenant_keys
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

-- The platform makes keys and erases them, and never reads one.
grant select on tenant_keys to fairwalk_app;
grant insert, delete, select (tenant_id) on tenant_keys to fairwalk_platform;

create table api_keys (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  role text not null,
  scopes text[] not null,
  secret_digest bytea not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null,
  constraint api_keys_pkey primary key (tenant_id, id),
  -- A request brings a key's id before anyone knows its tenant. Ids are random: the index tells a tenant nothing of others.
  constraint api_keys_id_key unique (id),
  constraint api_keys_tenant_fkey foreign key (tenant_id) references tenants (id),
  constraint api_keys_name_check check (length(name) between 1 and 200),
  constraint api_keys_secret_digest_check check (length(secret_digest) = 32)
);

alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy tenant_isolation on api_keys
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));
create policy platform_all on api_keys to fairwalk_platform using (true) with check (true);

-- Tenants see their keys without the digest and may revoke them. Only the platform makes keys and looks them up.
grant select (tenant_id, id, name, role, scopes, expires_at, revoked_at, last_used_at, created_at),
  update (revoked_at) on api_keys to fairwalk_app;
grant select, insert, delete, update (revoked_at, last_used_at) on api_keys to fairwalk_platform;
