/**
 * The one registry of tables that hold something of a tenant, in the order in which erasure empties them: what refers
 * before what is referred to. The isolation check fails on a table with a tenant_id that is not named here.
 */
export const TENANT_ROW_TABLES = [
  "text_facts",
  "interfaces",
  "routers",
  "credentials",
  "zones",
  "api_keys",
  "sample_shapes",
  "tenant_fairness",
  "tenant_keys",
] as const;

/** Partitioned by tenant: erasure drops the tenant's part. */
export const TENANT_PARTITIONED_TABLES = ["samples", "polls"] as const;

/** The tenants themselves: emptied last; the tenant is the column `id`. */
export const TENANTS_TABLE = "tenants";
