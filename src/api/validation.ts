/**
 * Turns a request that breaks its schema into one `validation-failed` problem that names every field and its remedy.
 * Schemas come from TypeBox and are compiled once a route; only query strings, paths and headers are converted from
 * text (`limit=5`), bodies never: "5" is not a number there.
 */
import type { FastifySchemaCompiler } from "fastify";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import type { TLocalizedValidationError } from "typebox/error";
import { Value } from "typebox/value";
import { type FieldError, invalidFields, notFound, Problem } from "./problems.ts";
import { escapePointer, unstorableTexts } from "./safe-text.ts";

type Part = "body" | "query" | "path" | "header";
const PART_OF: Readonly<Record<string, Part>> = {
  body: "body",
  querystring: "query",
  params: "path",
  headers: "header",
};

/** Fastify's validator: returns the (converted) value, or the Problem that explains what is wrong with it. */
export const compileSchema: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const part = PART_OF[httpPart ?? "body"] ?? "body";
  const check = fieldChecker(schema, part);
  return (given: unknown) => {
    const value =
      part === "body" ? given : Value.Convert(schema, part === "path" ? asIds(given) : given);
    const errors = check(value);
    if (errors.length === 0) return { value };
    // A path that cannot be an id is an unknown id: how an id is made must not matter to the answer.
    return { error: part === "path" ? notFound("resource") : problemOf(part, given, errors) };
  };
};

/** Paths take ids alone, and ids may be written in capitals (RFC 9562, section 4). */
function asIds(params: unknown): Record<string, string> {
  const entries = Object.entries(Object(params));
  return Object.fromEntries(entries.map(([name, id]) => [name, String(id).toLowerCase()]));
}

/** Everything wrong with a value by `schema`, in words; empty when nothing is. */
export function fieldChecker(
  schema: TSchema,
  part: Part = "body",
): (value: unknown) => FieldError[] {
  const validator = Compile(schema);
  return (value) => {
    if (!validator.Check(value)) {
      const errors = withoutEchoes(validator.Errors(value));
      return firstOfEach(errors.flatMap((error) => fieldErrors(error, schema, part)));
    }
    return unstorableTexts(value).map((pointer) => ({
      in: part,
      pointer,
      detail: `${nameOf(pointer)} must not hold U+0000 or half of a surrogate pair; remove the character`,
    }));
  };
}

/** One complaint a field is enough to mend it. */
function firstOfEach(errors: readonly FieldError[]): FieldError[] {
  const first = new Map<string, FieldError>();
  for (const error of errors) if (!first.has(error.pointer)) first.set(error.pointer, error);
  return [...first.values()];
}

function problemOf(part: Part, given: unknown, errors: readonly FieldError[]): Problem {
  if (part === "body" && (given === undefined || given === null)) {
    return new Problem("malformed-request", {
      detail: "This needs a body: send JSON with the header content-type: application/json",
    });
  }
  return invalidFields(errors);
}

/**
 * One wrong value makes several errors: an unknown member also breaks `false`, a union complains once a branch and once
 * as a whole. Keeps what tells the reader most: the branch's own complaint where it looked inside, else the union's.
 */
function withoutEchoes(errors: readonly TLocalizedValidationError[]): TLocalizedValidationError[] {
  const telling = errors.filter((error) => {
    const isBranch = /\/anyOf\/\d+$/.test(error.schemaPath);
    return error.keyword !== "boolean" && !(isBranch && /^(type|const)$/.test(error.keyword));
  });
  return telling.filter(
    (error) =>
      error.keyword !== "anyOf" ||
      !telling.some((other) => other.schemaPath.startsWith(`${error.schemaPath}/anyOf/`)),
  );
}

function fieldErrors(error: TLocalizedValidationError, schema: TSchema, part: Part): FieldError[] {
  const at = error.instancePath;
  const field = (pointer: string, complaint: string): FieldError => ({
    in: part,
    pointer,
    detail: `${nameOf(pointer)} ${complaint}`,
  });
  const member = (name: string) => `${at}/${escapePointer(name)}`;
  switch (error.keyword) {
    case "required":
      return error.params.requiredProperties.map((name) =>
        field(member(name), `is required${hint(schema, member(name))}`),
      );
    case "additionalProperties":
      return error.params.additionalProperties.map((name) =>
        field(member(name), `is not a field here; ${knownFields(schema, at)}`),
      );
    case "anyOf":
    case "enum":
      return [
        field(at, `must be ${choices(schemaAt(schema, at)) ?? "one of the documented forms"}`),
      ];
    case "pattern":
    case "format":
      return [field(at, `is not well formed${hint(schema, at)}`)];
    case "minLength":
      return [field(at, `must have at least ${error.params.limit} character(s)`)];
    case "maxLength":
      return [field(at, `must have at most ${error.params.limit} characters`)];
    case "minItems":
      return [field(at, `must have at least ${error.params.limit} item(s)`)];
    case "maxItems":
      return [field(at, `must have at most ${error.params.limit} items`)];
    default:
      return [field(at, `${error.message}${hint(schema, at)}`)];
  }
}

/** A field as people write it: `labels.site` for /labels/site, "the body" for the whole. */
function nameOf(pointer: string): string {
  if (pointer === "") return "the value";
  const steps = pointer.slice(1).split("/");
  return steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~")).join(".");
}

interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string;
}

/** The part of a schema that describes the value at `pointer`; undefined where the schema does not say. */
function schemaAt(schema: TSchema, pointer: string): SchemaNode | undefined {
  let node: SchemaNode | undefined = schema;
  for (const step of pointer.split("/").slice(1)) {
    const named: SchemaNode | undefined = node?.properties?.[step];
    node = named ?? node?.items ?? Object.values(node?.patternProperties ?? {})[0];
  }
  return node;
}

/** A field's description is its remedy: it says what the field should hold. */
function hint(schema: TSchema, pointer: string): string {
  const description = schemaAt(schema, pointer)?.description;
  return description ? `: ${description}` : "";
}

function knownFields(schema: TSchema, pointer: string): string {
  const node = schemaAt(schema, pointer);
  const names = Object.keys(node?.properties ?? {});
  if (names.length > 0) return `known are ${names.join(", ")}`;
  return node?.patternProperties ? (node.description ?? "see its description") : "none are taken";
}

function choices(node: SchemaNode | undefined): string | undefined {
  if (node?.enum) return `one of ${node.enum.join(", ")}`;
  const forms = node?.anyOf?.map((form) => ("const" in form ? String(form.const) : form.type));
  return forms ? `one of ${forms.join(", ")}` : undefined;
}
