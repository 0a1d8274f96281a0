-- The five roles, and the table that remembers which migrations ran.
--
-- Roles belong to the whole cluster, so a second database of ours finds them there. None can log in: login users are
-- granted into them and choose one when they connect. The user who migrates is made a member of all, with SET and, where
-- Postgres can tell the two apart (16 and later), without INHERIT: until it chooses a role it may do nothing more.

do $$
declare
  name text;
  is_member boolean;
begin
  foreach name in array array[
    'fairwalk_owner', 'fairwalk_app', 'fairwalk_ingest', 'fairwalk_scheduler', 'fairwalk_platform'
  ] loop
    if not exists (select from pg_roles where rolname = name) then
      begin
        execute format('create role %I nologin', name);
      exception when duplicate_object or unique_violation then
        null; -- Another database of this cluster is being migrated at the same moment.
      end;
    end if;
    if current_setting('server_version_num')::integer >= 160000 then
      is_member := pg_has_role(current_user, name, 'SET');
      if not is_member then
        execute format('grant %I to current_user with inherit false, set true', name);
      end if;
    else
      is_member := pg_has_role(current_user, name, 'MEMBER');
      if not is_member then
        execute format('grant %I to current_user', name);
      end if;
    end if;
  end loop;
end
$$;

-- Nobody but the owner makes objects where our functions look names up.
revoke create on schema public from public;
grant usage, create on schema public to fairwalk_owner;
grant usage on schema public to fairwalk_app, fairwalk_ingest, fairwalk_scheduler, fairwalk_platform;

set local role fairwalk_owner;

create table fairwalk_migrations (
  number integer not null,
  name text not null,
  digest text not null,
  applied_at timestamptz not null default now(),
  constraint fairwalk_migrations_pkey primary key (number)
);

-- To everyone: a login user that has not chosen a role asks it what is pending.
grant select on fairwalk_migrations to public;
