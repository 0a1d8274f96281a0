/** Schemas that several routes share. */
import { Type } from "typebox";

export const ID = Type.String({ format: "uuid", description: "A UUID" });
export const TIME = Type.String({ format: "date-time", description: "RFC 3339, UTC" });

export const NAME = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: "^[^\\x00-\\x20\\x7f](?:[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?$",
  description: "1 to 200 characters on one line, without spaces at the ends or control characters",
});

export const ZONE_NAME = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
  description: "1 to 63 lower-case letters, digits and hyphens, no hyphen at the ends",
});

/** The path of one thing. */
export const ID_PATH = Type.Object({ id: ID });

export const NO_CONTENT = Type.Null({ description: "Done" });
