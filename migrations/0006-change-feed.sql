-- Tells schedulers and workers whose routers to read again: one notification a tenant and statement, on the channel
-- fairwalk_changes, with the tenant's id. An import of 10,000 routers is one notification.

set local role fairwalk_owner;

create function fairwalk_notify_tenants() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('fairwalk_changes', c.tenant_id::text) from (select distinct tenant_id from changed) c;
  return null;
end
$$;

create function fairwalk_notify_tenants_themselves() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('fairwalk_changes', c.id::text) from (select distinct id from changed) c;
  return null;
end
$$;

create trigger routers_inserted after insert on routers
  referencing new table as changed for each statement execute function fairwalk_notify_tenants();
create trigger routers_updated after update on routers
  referencing new table as changed for each statement execute function fairwalk_notify_tenants();
create trigger routers_deleted after delete on routers
  referencing old table as changed for each statement execute function fairwalk_notify_tenants();

-- A new credential concerns nobody until a router names it.
create trigger credentials_updated after update on credentials
  referencing new table as changed for each statement execute function fairwalk_notify_tenants();

create trigger tenants_inserted after insert on tenants
  referencing new table as changed for each statement execute function fairwalk_notify_tenants_themselves();
create trigger tenants_updated after update on tenants
  referencing new table as changed for each statement execute function fairwalk_notify_tenants_themselves();
create trigger tenants_deleted after delete on tenants
  referencing old table as changed for each statement execute function fairwalk_notify_tenants_themselves();
