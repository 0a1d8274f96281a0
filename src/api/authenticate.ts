/**
 * Who is calling: the platform's administrator by its token, or a tenant by an API key. Looked up on every request, so a
 * revoked key or a suspended tenant is refused by the next request on every API process.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Tenant, TenantId } from "../tenants/tenant.ts";
import { type Access, isRole, type Permission, permissionsOf, type Role } from "./permissions.ts";
import { Problem } from "./problems.ts";

export interface PlatformAdmin {
  readonly kind: "platform";
}

export interface TenantCaller {
  readonly kind: "tenant";
  readonly tenant: Tenant;
  readonly keyId: string;
  readonly role: Role;
  readonly permissions: ReadonlySet<Permission>;
}

export type Caller = PlatformAdmin | TenantCaller;

export interface FoundKey {
  readonly tenantId: TenantId;
  readonly keyId: string;
  readonly role: string;
  readonly scopes: readonly string[];
}

export interface AuthenticatorDeps {
  readonly adminToken: string;
  readonly findApiKey: (key: string) => Promise<FoundKey | undefined>;
  readonly tenantById: (id: TenantId) => Promise<Tenant | undefined>;
}

export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

/** Resolves to the caller an Authorization header proves; rejects with an `unauthenticated` or `tenant-…` Problem. */
export function authenticator(deps: AuthenticatorDeps): Authenticate {
  const isAdminToken = constantTimeEquals(deps.adminToken);
  return async (authorization) => {
    const token = bearerToken(authorization);
    if (isAdminToken(token)) return { kind: "platform" };
    const key = await deps.findApiKey(token);
    const tenant = key && (await deps.tenantById(key.tenantId));
    // A role this version does not know may do nothing.
    if (!key || !tenant || !isRole(key.role)) throw invalidToken();
    refuseInactive(tenant);
    return {
      kind: "tenant",
      tenant,
      keyId: key.keyId,
      role: key.role,
      permissions: permissionsOf(key.role, key.scopes),
    };
  };
}

/** Throws `permission-denied` unless `caller` has what the route asks for. */
export function requireAccess(caller: Caller, access: Exclude<Access, "anyone">): void {
  if (access === "platform") {
    if (caller.kind === "platform") return;
    throw new Problem("permission-denied", {
      detail: "This is for the platform's administrator; a tenant's API key does not do",
    });
  }
  if (caller.kind === "platform") {
    throw new Problem("permission-denied", {
      detail:
        "This acts inside one tenant: call it with an API key of that tenant (POST /v1/tenants/{id}/api-keys makes one)",
    });
  }
  if (!caller.permissions.has(access)) {
    throw new Problem("permission-denied", {
      detail: `This needs the permission "${access}"; the key's role "${caller.role}" and scopes do not grant it`,
    });
  }
}

function refuseInactive(tenant: Tenant): void {
  if (tenant.state === "active") return;
  if (tenant.state === "suspended") {
    throw new Problem("tenant-suspended", {
      detail: "The tenant is suspended; ask the platform's administrator to resume it",
    });
  }
  throw new Problem("tenant-not-active", { detail: "The tenant is being deleted" });
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) {
    throw unauthenticated("Send the header Authorization: Bearer <API key>", "");
  }
  const token = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization)?.[1];
  if (token === undefined) {
    throw unauthenticated(
      "The Authorization header must read Bearer <API key>",
      ', error="invalid_request"',
    );
  }
  return token;
}

function invalidToken(): Problem {
  return unauthenticated(
    "The token is unknown, expired or revoked",
    ', error="invalid_token"', // RFC 6750, section 3.1
  );
}

function unauthenticated(detail: string, parameters: string): Problem {
  return new Problem("unauthenticated", {
    detail,
    headers: { "www-authenticate": `Bearer realm="fairwalk"${parameters}` },
  });
}

/** Compares digests, so that neither the length nor the first wrong character of a guess shows in the time taken. */
function constantTimeEquals(secret: string): (guess: string) => boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(secret);
  return (guess) => secret.length > 0 && timingSafeEqual(digest(guess), expected);
}
