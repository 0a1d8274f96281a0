import { createApiKey } from "../storage/api-keys.ts";
import { openPool } from "../storage/pool.ts";
import { createTenant, listTenants } from "../storage/tenants.ts";
import { SLUG_PATTERN, TIERS, type Tier } from "../tenants/tenant.ts";
import { OperatorError, type Platform } from "./platform.ts";

export interface NewTenantArguments {
  readonly slug: string;
  readonly name: string | undefined;
  readonly tier: string;
}

/** Creates a tenant with a first API key of role owner; the key is in the answer and nowhere else. */
export async function createTenantWithKey(platform: Platform, given: NewTenantArguments) {
  if (!new RegExp(SLUG_PATTERN).test(given.slug)) {
    throw new OperatorError(
      `Cannot create tenant "${given.slug}": a slug is 1 to 63 lower-case letters, digits and hyphens`,
    );
  }
  const tier = TIERS.find((known) => known === given.tier);
  if (tier === undefined) {
    throw new OperatorError(
      `Cannot create a tenant of tier "${given.tier}": use ${TIERS.join(", ")}`,
    );
  }
  return withPlatformPool(platform, async (pool) => {
    const body: { name: string; slug: string; tier: Tier } = {
      name: given.name ?? given.slug,
      slug: given.slug,
      tier,
    };
    const tenant = await createTenant(pool, body, platform.masterKey, new Date());
    const { key } = await createApiKey(pool, {
      tenantId: tenant.id,
      name: "first key",
      role: "owner",
      scopes: [],
      expiresAt: null,
    });
    return { ...tenant, apiKey: key };
  });
}

/** Every tenant, oldest first, a page at a time. */
export async function allTenants(platform: Platform) {
  return withPlatformPool(platform, async (pool) => {
    const tenants = [];
    for (let after: string | undefined; ; ) {
      const page = await listTenants(pool, { limit: 500, after });
      tenants.push(...page);
      after = page.at(-1)?.id;
      if (page.length < 500) return tenants;
    }
  });
}

async function withPlatformPool<T>(
  platform: Platform,
  work: (pool: ReturnType<typeof openPool>) => Promise<T>,
): Promise<T> {
  const pool = openPool({
    url: platform.databaseUrl,
    role: "fairwalk_platform",
    max: 1,
    applicationName: "fairwalk tenant",
  });
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}
