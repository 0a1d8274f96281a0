import { isUuid } from "../lib/uuid.ts";
import type { RouterId } from "../routers/router.ts";
import type { TenantClient } from "../storage/pool.ts";
import {
  listRouters,
  type RouterFilters,
  routerById,
  type StoredRouter,
} from "../storage/routers.ts";
import { invalidFields, Problem } from "./problems.ts";
import { canonicalAddress } from "./target-guard.ts";

const PORT_DEFAULT = 161;

/**
 * The tenant's router with this name, id or address[:port]; a name wins over an address, an address without a port means
 * the one router there or the one at port 161. Throws a Problem when there is none (the same for what belongs to another
 * tenant), or when several fit.
 */
export async function routerCalled(
  client: TenantClient,
  target: string,
  pointer: string,
): Promise<StoredRouter> {
  if (isUuid(target)) {
    const router = await routerById(client, target as RouterId);
    if (router !== undefined) return router;
  }
  const named = await listRouters(client, {
    filters: { name: target },
    limit: 1,
    after: undefined,
  });
  const place = placeOf(target);
  const found = named.length > 0 || place === undefined ? named : await routersAt(client, place);
  const [router, another] = found;
  if (router === undefined) {
    throw new Problem("not-found", { detail: "No router has this name, id or address" });
  }
  if (another === undefined) return router;
  const names = found.map(({ name, id }) => `"${name}" (${id})`).join(", ");
  const detail = `Several routers have this address; name one of them by its id: ${names}`;
  throw invalidFields([{ in: "query", pointer, detail }]);
}

type Place = Required<Pick<RouterFilters, "address">> & Pick<RouterFilters, "port">;

async function routersAt(client: TenantClient, place: Place): Promise<StoredRouter[]> {
  const routers = await listRouters(client, { filters: place, limit: 10, after: undefined });
  const atDefault = routers.filter(({ port }) => port === PORT_DEFAULT);
  return place.port === undefined && atDefault.length === 1 ? atDefault : routers;
}

function placeOf(target: string): Place | undefined {
  const whole = canonicalAddress(target.replace(/^\[(.*)\]$/, "$1"));
  if (whole !== undefined) return { address: whole };
  const [, literal = "", port = ""] = /^(.*):(\d{1,5})$/.exec(target) ?? [];
  const address = canonicalAddress(literal.replace(/^\[(.*)\]$/, "$1"));
  return address === undefined ? undefined : { address, port: Number(port) };
}
