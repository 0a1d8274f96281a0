-- How much of each table a router answers at once, as polling it has taught: a new worker begins with the sizes the last
-- one ended with, instead of finding them out by timeouts. One row a router and list of columns, of those alone where
-- there was something to learn; written when it changes, read with what else a worker needs to poll a router.

set local role fairwalk_owner;

create table answer_limits (
  tenant_id uuid not null,
  router_id uuid not null,
  walk text not null, -- the first column, how many more there are, and a hash of all
  limits jsonb not null,
  learnt_at timestamptz not null,
  constraint answer_limits_pkey primary key (tenant_id, router_id, walk),
  constraint answer_limits_router_fkey
    foreign key (tenant_id, router_id) references routers (tenant_id, id) on delete cascade,
  constraint answer_limits_walk_check check (length(walk) between 1 and 400),
  constraint answer_limits_limits_check check (jsonb_typeof(limits) = 'object')
);

alter table answer_limits enable row level security;
alter table answer_limits force row level security;
create policy tenant_isolation on answer_limits
  using (tenant_id = (select fairwalk_tenant())) with check (tenant_id = (select fairwalk_tenant()));

grant select, insert, update, delete on answer_limits to fairwalk_app;
grant delete, select (tenant_id) on answer_limits to fairwalk_platform;
