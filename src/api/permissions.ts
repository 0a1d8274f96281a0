/**
 * Who may do what. Every route names one `Access`; a tenant's API key holds the permissions of its role, and where the
 * key lists scopes, only those of them. Scopes narrow and never widen: a leaked key does at most what both allow.
 */

export const PERMISSIONS = [
  "tenant:read",
  "routers:read",
  "routers:write",
  "routers:poll",
  "credentials:read",
  "credentials:write",
  "zones:read",
  "zones:write",
  "api-keys:read",
  "api-keys:write",
  "metrics:read",
  "usage:read",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** What a route asks for: nothing, the platform's administrator, or a permission of the tenant that calls. */
export type Access = "anyone" | "platform" | Permission;

export const ROLES = ["owner", "admin", "operator", "viewer", "billing"] as const;
export type Role = (typeof ROLES)[number];

const READINGS = [
  "tenant:read",
  "routers:read",
  "zones:read",
  "metrics:read",
  "usage:read",
] as const satisfies readonly Permission[];

const OPERATING = [
  ...READINGS,
  "routers:write",
  "routers:poll",
  "credentials:read",
  "credentials:write",
  "zones:write",
] as const satisfies readonly Permission[];

const PERMISSIONS_OF_ROLE: Readonly<Record<Role, readonly Permission[]>> = {
  owner: PERMISSIONS,
  admin: PERMISSIONS,
  operator: OPERATING,
  viewer: READINGS,
  billing: ["tenant:read", "usage:read"],
};

/** The permissions of a key: its role's, narrowed to `scopes` where any are listed. */
export function permissionsOf(role: Role, scopes: readonly string[]): ReadonlySet<Permission> {
  const granted = PERMISSIONS_OF_ROLE[role];
  return new Set(scopes.length === 0 ? granted : granted.filter((it) => scopes.includes(it)));
}

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}
