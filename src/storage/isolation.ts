import type { Queryable } from "./pool.ts";
import {
  INGESTED_TABLES,
  ROLLUP_TABLES,
  TENANT_PARTITIONED_TABLES,
  TENANT_ROW_TABLES,
  TENANTS_TABLE,
} from "./tenant-tables.ts";

/**
 * Looks for holes between tenants in the database's own catalogue: what a migration forgot, what someone granted by hand.
 * `fairwalk doctor --isolation` prints what it finds; a test plants holes and expects to read of each.
 *
 * Works as any role: the catalogue is readable by all.
 */

const TENANT_TABLES: readonly string[] = [
  ...TENANT_ROW_TABLES,
  ...TENANT_PARTITIONED_TABLES,
  TENANTS_TABLE,
];

/** What the rolling-up role works with; of everything else it sees nothing. */
const ROLLUP_READS: readonly string[] = [
  ...TENANT_PARTITIONED_TABLES,
  "sample_shapes",
  "rollup_due",
  "rollup_state",
];
const ROLLUP_WRITES: readonly string[] = [...ROLLUP_TABLES, "rollup_due", "rollup_state"];

/** What the application reads and never writes. */
const MADE_BY_OTHERS: readonly string[] = [
  ...TENANT_PARTITIONED_TABLES,
  "rollup_due",
  "rollup_state",
];

const except = (tables: readonly string[]) =>
  TENANT_TABLES.filter((table) => !tables.includes(table));

/** What our roles must not be able to do, whatever was granted to them or to PUBLIC. Any column counts. */
const FORBIDDEN: readonly (readonly [
  role: string,
  privilege: string,
  tables: readonly string[],
])[] = [
  ["fairwalk_ingest", "select", [...TENANT_TABLES, "ingest_flushes", "rollup_marks"]],
  ["fairwalk_ingest", "update", [...TENANT_TABLES, "ingest_flushes", "rollup_marks"]],
  ["fairwalk_ingest", "insert", TENANT_TABLES],
  [
    "fairwalk_scheduler",
    "select",
    except(["tenants", "routers", "tenant_fairness", "rollup_due", "rollup_state"]),
  ],
  ["fairwalk_scheduler", "insert", except(["tenant_fairness", "rollup_due"])],
  ["fairwalk_scheduler", "update", except(["tenant_fairness", "rollup_due"])],
  ["fairwalk_rollup", "select", [...except(ROLLUP_READS), "ingest_flushes", "rollup_marks"]],
  ["fairwalk_rollup", "insert", except(ROLLUP_WRITES)],
  ["fairwalk_rollup", "update", except(ROLLUP_WRITES)],
  ["fairwalk_platform", "select", TENANT_PARTITIONED_TABLES],
  ["fairwalk_app", "insert", ["tenants", "tenant_keys", "api_keys", ...MADE_BY_OTHERS]],
  ["fairwalk_app", "update", ["tenants", "tenant_keys", ...MADE_BY_OTHERS]],
];

/** Columns that hold secrets, and the roles that may read them. */
const SECRETS: readonly (readonly [table: string, column: string, readers: readonly string[]])[] = [
  ["credentials", "sealed", ["fairwalk_app"]],
  ["tenant_keys", "wrapped_key", ["fairwalk_app"]],
  ["api_keys", "secret_digest", ["fairwalk_platform"]],
];

/** Functions that act with the owner's rights; each checks or needs no more than its arguments. */
const DEFINER_FUNCTIONS = [
  "fairwalk_make_partitions",
  "fairwalk_make_leaves",
  "fairwalk_drop_leaf",
  "fairwalk_drop_part",
  "fairwalk_drop_leaves",
  "fairwalk_drop_partitions",
];

const ROLES = [
  "fairwalk_owner",
  "fairwalk_app",
  "fairwalk_ingest",
  "fairwalk_scheduler",
  "fairwalk_rollup",
  "fairwalk_platform",
];

/** One sentence for each hole; empty when tenants are isolated as the migrations mean them to be. */
export async function isolationFindings(pool: Queryable): Promise<string[]> {
  const findings: string[] = [];
  for (const check of [
    roleFindings,
    tableFindings,
    policyFindings,
    grantFindings,
    leafFindings,
    viewFindings,
    functionFindings,
  ]) {
    findings.push(...(await check(pool)));
  }
  return findings;
}

async function findingsOf(
  pool: Queryable,
  text: string,
  values: readonly unknown[] = [],
): Promise<string[]> {
  const { rows } = await pool.query<{ finding: string }>(text, values);
  return rows.map(({ finding }) => finding);
}

function roleFindings(pool: Queryable): Promise<string[]> {
  return findingsOf(
    pool,
    `select format('role %s does not exist', n.name) as finding
     from unnest($1::text[]) n (name) where not exists (select from pg_roles r where r.rolname = n.name)
     union all
     select format('role %s may %s', r.rolname, a.what)
     from pg_roles r
     cross join lateral (values
       (r.rolsuper, 'do everything: it is a superuser'), (r.rolbypassrls, 'bypass row-level security'),
       (r.rolcanlogin, 'log in: it is meant to be granted to login users'), (r.rolcreaterole, 'create roles'),
       (r.rolreplication, 'replicate every table')) a (has, what)
     where r.rolname = any ($1) and a.has
     union all
     select format('role %s is a member of %s', m.rolname, g.rolname)
     from pg_auth_members am join pg_roles m on m.oid = am.member join pg_roles g on g.oid = am.roleid
     where m.rolname = any ($1)`,
    [ROLES],
  );
}

// Tables that hold something of a tenant: those with a tenant_id, wherever they are, and the tenants themselves.
// Partitions are looked at apart: their parents guard them.
const TENANT_RELATIONS = `
  select c.oid, n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relacl, c.relkind, a.attnum,
    a.attname, case when n.nspname = 'public' then c.relname::text else n.nspname || '.' || c.relname end as name
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
    and a.attname = case when n.nspname = 'public' and c.relname = '${TENANTS_TABLE}' then 'id' else 'tenant_id' end
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'`;

function tableFindings(pool: Queryable): Promise<string[]> {
  return findingsOf(
    pool,
    `with t as (${TENANT_RELATIONS})
     select format('table %s has a tenant_id and is not in the registry (src/storage/tenant-tables.ts)', t.name) as finding
     from t where t.name <> all ($1)
     union all
     select format('table %s is in the registry and not in the database', r.name)
     from unnest($1::text[]) r (name) where r.name not in (select t.name from t)
     union all
     select format('table %s: row-level security is off', t.name) from t where not t.relrowsecurity
     union all
     select format('table %s: row-level security does not hold for its owner (no FORCE)', t.name)
     from t where not t.relforcerowsecurity
     union all
     select format('table %s belongs to %s instead of fairwalk_owner', t.name, t.relowner::regrole)
     from t where t.relowner::regrole::text <> 'fairwalk_owner'
     union all
     select format('table %s: no index begins with %s', t.name, t.attname)
     from t
     where not exists (select from pg_index i where i.indrelid = t.oid and i.indkey[0] = t.attnum and i.indpred is null)
       -- Partitions by tenant are found faster than by any index.
       and not exists (select from pg_partitioned_table p
                       where p.partrelid = t.oid and p.partstrat = 'l' and p.partattrs[0] = t.attnum)`,
    [TENANT_TABLES],
  );
}

function policyFindings(pool: Queryable): Promise<string[]> {
  return findingsOf(
    pool,
    `with t as (${TENANT_RELATIONS}), p as (
       select t.name as table_name, t.attname, pol.polname, pol.polpermissive, pol.polcmd,
         pg_get_expr(pol.polqual, pol.polrelid) as using_text,
         pg_get_expr(pol.polwithcheck, pol.polrelid) as check_text,
         array(select coalesce(r.rolname::text, 'PUBLIC')
               from unnest(pol.polroles) as p (oid) left join pg_roles r on r.oid = p.oid) as roles
       from t join pg_policy pol on pol.polrelid = t.oid
     )
     select format('table %s has no policy tenant_isolation', t.name) as finding
     from t where not exists (select from p where p.table_name = t.name and p.polname = 'tenant_isolation')
     union all
     select format('table %s: policy tenant_isolation is not the one of every tenant table (%s, check %s)',
       p.table_name, p.using_text, coalesce(p.check_text, 'none'))
     from p
     where p.polname = 'tenant_isolation' and not (
       p.polpermissive and p.polcmd = '*' and p.roles = array['PUBLIC']
       and p.using_text = format('(%I = ( SELECT fairwalk_tenant() AS fairwalk_tenant))', p.attname)
       and p.check_text is not distinct from p.using_text)
     union all
     select format('table %s: policy %s lets %s see other tenants'' rows', p.table_name, p.polname, role.name)
     from p cross join unnest(p.roles) role (name)
     where p.polname <> 'tenant_isolation' and p.polpermissive
       and role.name not in ('fairwalk_scheduler', 'fairwalk_platform')`,
  );
}

function grantFindings(pool: Queryable): Promise<string[]> {
  const forbidden = FORBIDDEN.flatMap(([role, privilege, tables]) =>
    tables.map((table) => ({ role, privilege, table })),
  );
  const secrets = SECRETS.flatMap(([table, column, readers]) =>
    ROLES.filter((role) => role !== "fairwalk_owner" && !readers.includes(role)).map((role) => ({
      role,
      table,
      column,
    })),
  );
  return findingsOf(
    pool,
    `with t as (${TENANT_RELATIONS})
     select format('role %s may %s %s', f.role, f.privilege, f."table") as finding
     from jsonb_to_recordset($1) f (role text, privilege text, "table" text)
     join pg_roles r on r.rolname = f.role
     where to_regclass('public.' || f."table") is not null
       and has_any_column_privilege(f.role, to_regclass('public.' || f."table"), f.privilege)
     union all
     select format('role %s may read the secret %s.%s', s.role, s."table", s."column")
     from jsonb_to_recordset($2) s (role text, "table" text, "column" text)
     join pg_roles r on r.rolname = s.role
     where to_regclass('public.' || s."table") is not null
       and has_column_privilege(s.role, to_regclass('public.' || s."table"), s."column", 'select')
     union all
     select format('%s may %s table %s', case when g.grantee = 0 then 'PUBLIC' else g.grantee::regrole::text end,
       lower(g.privilege_type), t.name)
     from t cross join lateral aclexplode(t.relacl) g
     where g.grantee <> t.relowner
       and (g.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
         or g.grantee = 0 or g.grantee::regrole::text <> all ($3) or g.is_grantable)
     union all
     select format('%s may %s columns of table %s',
       case when g.grantee = 0 then 'PUBLIC' else g.grantee::regrole::text end, lower(g.privilege_type), t.name)
     from t join pg_attribute c on c.attrelid = t.oid and c.attacl is not null
     cross join lateral aclexplode(c.attacl) g
     where g.grantee <> t.relowner
       and (g.privilege_type = 'REFERENCES' or g.grantee = 0 or g.grantee::regrole::text <> all ($3) or g.is_grantable)`,
    [JSON.stringify(forbidden), JSON.stringify(secrets), ROLES],
  );
}

/** Leaves have no row-level security, so nobody may do anything with them; but ingest adds rows to those of samples and polls. */
function leafFindings(pool: Queryable): Promise<string[]> {
  return findingsOf(
    pool,
    `with parts as (
       select c.oid, c.relname, c.relkind, c.relacl, c.relowner, c.relrowsecurity,
         c.relkind = 'r' and root.name = any ($2) as is_ingested
       from unnest($1::text[]) root (name)
       cross join lateral pg_partition_tree(to_regclass('public.' || root.name)) tree
       join pg_class c on c.oid = tree.relid
       where tree.level > 0
     )
     select format('%s may %s partition %s',
       case when g.grantee = 0 then 'PUBLIC' else g.grantee::regrole::text end, lower(g.privilege_type), p.relname) as finding
     from parts p cross join lateral aclexplode(p.relacl) g
     where g.grantee <> p.relowner
       and not (p.is_ingested and g.grantee::regrole::text = 'fairwalk_ingest' and g.privilege_type = 'INSERT')
     union all
     select format('columns of partition %s are granted to someone', p.relname)
     from parts p where exists (select from pg_attribute a where a.attrelid = p.oid and a.attacl is not null)
     union all
     select format('partition %s belongs to %s instead of fairwalk_owner', p.relname, p.relowner::regrole)
     from parts p where p.relowner::regrole::text <> 'fairwalk_owner'
     union all
     select format('partition %s has row-level security of its own, so COPY refuses it', p.relname)
     from parts p where p.relrowsecurity
     union all
     select format('partition %s is not writable by fairwalk_ingest', p.relname)
     from parts p where p.is_ingested and not has_table_privilege('fairwalk_ingest', p.oid, 'insert')`,
    [TENANT_PARTITIONED_TABLES, INGESTED_TABLES],
  );
}

/** A view reads with its owner's rights unless it says otherwise, and a materialized view keeps what it read. */
function viewFindings(pool: Queryable): Promise<string[]> {
  return findingsOf(
    pool,
    `with t as (${TENANT_RELATIONS})
     select distinct format('view %s reads %s past row-level security: make it security_invoker%s', v.relname, t.name,
       case v.relkind when 'm' then ', or no materialized view' else '' end) as finding
     from t
     join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.classid = 'pg_rewrite'::regclass
     join pg_rewrite w on w.oid = d.objid
     join pg_class v on v.oid = w.ev_class and v.oid <> t.oid
     where v.relkind = 'm' or not coalesce(v.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on']`,
  );
}

function functionFindings(pool: Queryable): Promise<string[]> {
  return findingsOf(
    pool,
    `with f as (
       select p.oid, p.proname, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)) as acl
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where p.prosecdef and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
         and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
     )
     select format('function %s acts with the rights of %s and is none of ours', f.oid::regprocedure, f.proowner::regrole)
       as finding
     from f where f.proname <> all ($1)
     union all
     select format('function %s acts with the rights of %s and anyone may call it', f.oid::regprocedure, f.proowner::regrole)
     from f cross join lateral aclexplode(f.acl) g where g.grantee = 0`,
    [DEFINER_FUNCTIONS],
  );
}
