/**
 * The one registry of tables that hold something of a tenant, in the order in which erasure empties them: what refers
 * before what is referred to. The isolation check fails on a table with a tenant_id that is not named here.
 */
export const TENANT_ROW_TABLES = [
  "text_facts",
  "neighbour_observations",
  "inventories",
  "answer_limits",
  "interfaces",
  "routers",
  "credentials",
  "zones",
  "api_keys",
  "sample_shapes",
  "rollup_due",
  "rollup_state",
  "tenant_fairness",
  "tenant_keys",
] as const;

/** Partitioned by tenant and written by COPY into its leaves. */
export const INGESTED_TABLES = ["samples", "polls"] as const;

/** Partitioned alike: made of the samples, by 5 minutes and by the hour. */
export const ROLLUP_TABLES = ["rollups_5m", "rollups_1h"] as const;

/** Partitioned by tenant: erasure drops the tenant's part. */
export const TENANT_PARTITIONED_TABLES = [...INGESTED_TABLES, ...ROLLUP_TABLES] as const;

/** The tenants themselves: emptied last; the tenant is the column `id`. */
export const TENANTS_TABLE = "tenants";
