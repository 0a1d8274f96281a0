/**
 * Which fields a credential has depends on its SNMP version and security level; a schema could only say "one of these
 * forms". Here each field is judged by itself, and secrets never appear in what is said.
 */
import { type Static, Type } from "typebox";
import { AUTH_PROTOCOLS, PRIV_PROTOCOLS, type SnmpCredential } from "../routers/router.ts";
import { type FieldError, invalidFields } from "./problems.ts";
import { NAME } from "./schemas.ts";

const VERSIONS = ["1", "2c", "3"] as const;
const SECURITY_LEVELS = ["noAuthNoPriv", "authNoPriv", "authPriv"] as const;

const SECRET_FIELD = "write-only";

const FIELDS = {
  version: Type.Enum([...VERSIONS], { description: `the SNMP version: ${VERSIONS.join(", ")}` }),
  community: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: `versions 1 and 2c; ${SECRET_FIELD}`,
    }),
  ),
  // RFC 3414, section 2.4: usmUserName has 1 to 32 octets.
  username: Type.Optional(Type.String({ minLength: 1, maxLength: 32, description: "version 3" })),
  securityLevel: Type.Optional(
    Type.Enum([...SECURITY_LEVELS], { description: `version 3: ${SECURITY_LEVELS.join(", ")}` }),
  ),
  authProtocol: Type.Optional(
    Type.Enum([...AUTH_PROTOCOLS], {
      description: `authNoPriv and authPriv: ${AUTH_PROTOCOLS.join(", ")}`,
    }),
  ),
  // RFC 3414, section 11.2: at least 8 characters.
  authPassword: Type.Optional(
    Type.String({
      minLength: 8,
      maxLength: 255,
      description: `authNoPriv and authPriv; ${SECRET_FIELD}`,
    }),
  ),
  privProtocol: Type.Optional(
    Type.Enum([...PRIV_PROTOCOLS], { description: `authPriv: ${PRIV_PROTOCOLS.join(", ")}` }),
  ),
  privPassword: Type.Optional(
    Type.String({ minLength: 8, maxLength: 255, description: `authPriv; ${SECRET_FIELD}` }),
  ),
};

export const NEW_CREDENTIAL = Type.Object(
  { name: NAME, ...FIELDS },
  { additionalProperties: false },
);
export const CREDENTIAL_CHANGES = Type.Partial(NEW_CREDENTIAL, {
  additionalProperties: false,
  minProperties: 1,
  description: "only the fields to change; what is not given stays, secrets too",
});

type Fields = Omit<Static<typeof CREDENTIAL_CHANGES>, "name">;
type Version3 = Extract<SnmpCredential, { version: "3" }>;

/** The credential a request describes. Throws a Problem naming every field that is missing or out of place. */
export function credentialOf(fields: Fields): SnmpCredential {
  const { needed, version } = fieldsOf(fields);
  const errors = [...missing(fields, needed), ...outOfPlace(fields, needed)];
  if (errors.length > 0) throw invalidFields(errors);
  // Every needed field is there, and none besides: that is what SnmpCredential says of each version and level.
  return { version, ...fields } as SnmpCredential;
}

/** `present` with `changes`. A change of version or level drops what no longer belongs, and asks for what now does. */
export function changedCredential(present: SnmpCredential, changes: Fields): SnmpCredential {
  const { needed } = fieldsOf({ ...present, ...changes });
  const kept = Object.entries(present).filter(([field]) => needed.has(field as keyof Fields));
  return credentialOf({ ...Object.fromEntries(kept), ...changes });
}

function fieldsOf(fields: Fields): {
  readonly version: SnmpCredential["version"];
  readonly needed: ReadonlySet<keyof Fields>;
} {
  const version = fields.version ?? "2c";
  if (version !== "3") return { version, needed: new Set(["version", "community"]) };
  const level: Version3["securityLevel"] = fields.securityLevel ?? "noAuthNoPriv";
  const auth = ["authProtocol", "authPassword"] as const;
  const priv = ["privProtocol", "privPassword"] as const;
  return {
    version,
    needed: new Set([
      "version",
      "username",
      "securityLevel",
      ...(level === "noAuthNoPriv" ? [] : auth),
      ...(level === "authPriv" ? priv : []),
    ]),
  };
}

function missing(fields: Fields, needed: ReadonlySet<keyof Fields>): FieldError[] {
  return [...needed]
    .filter((field) => fields[field] === undefined)
    .map((field) => ({
      in: "body",
      pointer: `/${field}`,
      detail: `${field} is required for ${kindOf(fields)}`,
    }));
}

function outOfPlace(fields: Fields, needed: ReadonlySet<keyof Fields>): FieldError[] {
  const given = Object.keys(fields) as (keyof Fields)[]; // The schema lets no other field in.
  return given
    .filter((field) => fields[field] !== undefined && !needed.has(field))
    .map((field) => ({
      in: "body",
      pointer: `/${field}`,
      detail: `${field} has no place in ${kindOf(fields)}, which takes ${[...needed].join(", ")}`,
    }));
}

function kindOf(fields: Fields): string {
  if (fields.version !== "3") return `version ${fields.version ?? "2c"}`;
  return fields.securityLevel ? `version 3 ${fields.securityLevel}` : "version 3";
}
