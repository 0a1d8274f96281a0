/** The shape of a router in requests and answers; the rules no schema can say are in router-rules.ts. */
import { type Static, Type } from "typebox";
import { ADMISSION } from "./admission.ts";
import { POLLING } from "./polling-state.ts";
import { ID, NAME, TIME, ZONE_NAME } from "./schemas.ts";

/** Routers one import may hold: a request that is checked, written and answered within one transaction. */
export const IMPORT_ROWS_MAX = 10_000;

const LABELS_MAX = 32;

const ADDRESS = Type.String({
  minLength: 2,
  maxLength: 64,
  description: "An IPv4 or IPv6 address, such as 192.0.2.1 or 2001:db8::1; never a host name",
});
const PORT = Type.Integer({
  minimum: 1,
  maximum: 65_535,
  description: "UDP port, 1 to 65535 (161 when absent)",
});
const INTERVAL_SECONDS = Type.Integer({
  minimum: 1,
  maximum: 86_400,
  description: "Seconds between polls, from the tier's shortest to 86400 (60 when absent)",
});
const MODULES = Type.Union(
  [
    Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      minItems: 1,
      maxItems: 64,
      uniqueItems: true,
    }),
    Type.Null(),
  ],
  { description: "Names of modules, each once; null or absent = chosen by the router's profile" },
);
const CONTEXT = Type.String({
  maxLength: 255,
  description: 'SNMPv3 context name ("" when absent)',
});
const LABELS = Type.Record(
  Type.String({ pattern: "^[a-zA-Z_][a-zA-Z0-9_]{0,127}$" }),
  Type.String({ maxLength: 256 }),
  {
    additionalProperties: false,
    maxProperties: LABELS_MAX,
    description: `up to ${LABELS_MAX} labels; a name is letters, digits and _, not beginning with a digit, and a value has at most 256 characters`,
  },
);
const ENABLED = Type.Boolean({
  description: "true or false: whether it is polled (true when absent)",
});
// Not by its format, which takes capitals as well: an import compares ids as texts.
const CREDENTIAL_ID = Type.String({
  pattern: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
  description: "the id of a credential, as GET /v1/credentials lists it",
});

const OPTIONAL_FIELDS = {
  port: Type.Optional(PORT),
  zone: Type.Optional(ZONE_NAME),
  intervalSeconds: Type.Optional(INTERVAL_SECONDS),
  modules: Type.Optional(MODULES),
  context: Type.Optional(CONTEXT),
  labels: Type.Optional(LABELS),
  enabled: Type.Optional(ENABLED),
};

export const NEW_ROUTER = Type.Object(
  { name: NAME, address: ADDRESS, credentialId: CREDENTIAL_ID, ...OPTIONAL_FIELDS },
  { additionalProperties: false },
);
export type NewRouter = Static<typeof NEW_ROUTER>;

export const ROUTER_CHANGES = Type.Partial(NEW_ROUTER, {
  additionalProperties: false,
  minProperties: 1,
  description: "Only the fields to change (RFC 7396)",
});
export type RouterChanges = Static<typeof ROUTER_CHANGES>;

/** One row of an import: as a new router, with the credential by id or by its name. */
export const IMPORT_ROW = Type.Object(
  {
    name: NAME,
    address: ADDRESS,
    credentialId: Type.Optional(CREDENTIAL_ID),
    credential: Type.Optional({ ...NAME, description: "the name of a credential" }),
    ...OPTIONAL_FIELDS,
  },
  { additionalProperties: false },
);
export type ImportRow = Static<typeof IMPORT_ROW>;

export const ROUTER = Type.Object({
  id: ID,
  name: Type.String(),
  address: Type.String(),
  port: Type.Integer(),
  zone: Type.String(),
  credentialId: ID,
  intervalSeconds: Type.Integer(),
  modules: Type.Union([Type.Array(Type.String()), Type.Null()]),
  context: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  enabled: Type.Boolean(),
  createdAt: TIME,
  updatedAt: TIME,
});

/** The answer to one that was registered or changed. */
export const ADMITTED_ROUTER = Type.Object({ ...ROUTER.properties, admission: ADMISSION });

export const POLLED_ROUTER = Type.Object({ ...ROUTER.properties, polling: POLLING });

/** What a router gets where the request says nothing. */
export const ROUTER_DEFAULTS = {
  port: 161,
  zone: "default",
  intervalSeconds: 60,
  modules: null,
  context: "",
  labels: {},
  enabled: true,
} as const;
