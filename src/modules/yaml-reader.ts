/**
 * One mapping of a YAML file read with the failsafe schema, and where it stands: reads keys by kind, converts them, and
 * notes what is wrong with them, so that all problems of a file can be told at once.
 */

const OID = /^\d+(?:\.\d+)+$/;
const DURATION_PARTS_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
};

/** One mapping of the file, and where it stands: reads keys by kind and reports what is wrong with them. */
export class YamlReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;
  readonly #problems: string[];

  constructor(value: unknown, where: string, problems: string[]) {
    this.#where = where;
    this.#problems = problems;
    this.#fields = isRecord(value) ? value : {};
    if (!isRecord(value) && value !== null && value !== "") {
      problems.push(`${where === "" ? "the file" : where}: must be a mapping of keys to values`);
    }
  }

  report(key: string, problem: string): void {
    this.#problems.push(`${this.#where === "" ? "" : `${this.#where}: `}${key} ${problem}`);
  }

  refuseOthers(known: readonly string[]): void {
    for (const key of Object.keys(this.#fields)) {
      if (known.includes(key)) continue;
      const meant = known.find((candidate) => resembles(candidate, key));
      const remedy =
        meant === undefined
          ? `remove it; known keys: ${known.join(", ")}`
          : `did you mean "${meant}"?`;
      this.report(`unknown key "${key}"`, `(${remedy})`);
    }
  }

  has(key: string): boolean {
    return this.#fields[key] !== undefined;
  }

  isMapping(key: string): boolean {
    return isRecord(this.#fields[key]);
  }

  peek(key: string): string | undefined {
    const value = this.#fields[key];
    return typeof value === "string" ? value : undefined;
  }

  child(key: string): YamlReader {
    return new YamlReader(this.#fields[key], this.#path(key), this.#problems);
  }

  text(key: string, absent = ""): string {
    const value = this.#fields[key];
    if (value === undefined) return absent;
    if (typeof value === "string") return value;
    this.report(key, "must be one text");
    return absent;
  }

  name(key: string, pattern: RegExp, kind: string): string {
    const value = this.text(key);
    if (value === "") this.report(key, `is missing; write ${kind}`);
    else if (!pattern.test(value)) this.report(key, `is "${value}", which is not ${kind}`);
    return value;
  }

  oid(key: string): string {
    const value = this.text(key);
    if (value === "") this.report(key, "is missing; write an OID such as 1.3.6.1.2.1.1");
    else this.#checkOid(key, value);
    return value.replace(/^\./, "");
  }

  oids(key: string): readonly string[] {
    return this.texts(key).map((value) => {
      this.#checkOid(key, value);
      return value.replace(/^\./, "");
    });
  }

  texts(key: string): readonly string[] {
    const value = this.#fields[key];
    if (value === undefined || value === "") return [];
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    this.report(key, "must be a list of texts");
    return [];
  }

  whole(key: string, absent: number, max: number): number {
    const value = this.text(key);
    if (value === "") return absent;
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number <= max) return number;
    this.report(key, `is "${value}"; write a whole number from 0 to ${max}`);
    return absent;
  }

  number(key: string, absent: number): number {
    const value = this.text(key);
    if (value === "") return absent;
    const number = Number(value);
    if (Number.isFinite(number)) return number;
    this.report(key, `is "${value}"; write a number`);
    return absent;
  }

  flag(key: string): boolean {
    const value = this.text(key, "false");
    if (value !== "true" && value !== "false")
      this.report(key, `is "${value}"; write true or false`);
    return value === "true";
  }

  /** A Go duration such as 5s, 500ms or 1m30s, in milliseconds. */
  duration(key: string): number {
    const value = this.text(key);
    const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
    if (parts.length === 0 || parts.map((part) => part[0]).join("") !== value) {
      this.report(key, `is "${value}"; write a duration such as 5s or 500ms`);
      return 0;
    }
    return parts.reduce(
      (sum, part) => sum + Number(part[1]) * (DURATION_PARTS_MS[part[2] ?? ""] ?? 0),
      0,
    );
  }

  oneOf<T extends string>(key: string, values: readonly T[], absent: T): T {
    const value = this.text(key, absent);
    const known = values.find((candidate) => candidate === value);
    if (known !== undefined) return known;
    this.report(
      key,
      `is "${value}"; use one of ${values.filter((candidate) => candidate !== "").join(", ")}`,
    );
    return absent;
  }

  regex(key: string, source: string, compile: (source: string) => RegExp): RegExp | undefined {
    try {
      return compile(source);
    } catch (error) {
      // Compiling throws only for the expression itself: that is the file's problem, not ours.
      this.report(key, `has "${source}", which cannot be used (${(error as Error).message})`);
      return undefined;
    }
  }

  mapping(
    key: string,
    nameOf: (key: string) => string,
  ): readonly (readonly [string, YamlReader])[] {
    return Object.entries(this.#record(key)).map(([name, value]) => [
      name,
      new YamlReader(value, this.#inside(nameOf(name)), this.#problems),
    ]);
  }

  list(key: string, nameOf: (item: YamlReader, position: number) => string): readonly YamlReader[] {
    return this.#items(key, this.#fields[key], nameOf);
  }

  listsOf(key: string): readonly (readonly [string, readonly YamlReader[]])[] {
    return Object.entries(this.#record(key)).map(([name, value]) => [
      name,
      this.#items(key, value, (_item, position) => `${key} "${name}" rule ${position + 1}`),
    ]);
  }

  pairs(key: string): readonly (readonly [string, string])[] {
    return Object.entries(this.#record(key)).map(([name, value]) => {
      if (typeof value === "string") return [name, value];
      this.report(key, `has no text for "${name}"`);
      return [name, ""];
    });
  }

  #items(
    key: string,
    value: unknown,
    nameOf: (item: YamlReader, position: number) => string,
  ): readonly YamlReader[] {
    if (value === undefined || value === "") return [];
    if (!Array.isArray(value)) {
      this.report(key, "must be a list");
      return [];
    }
    return value.map((item: unknown, position) => {
      const name = nameOf(new YamlReader(isRecord(item) ? item : {}, "", []), position);
      return new YamlReader(item, this.#inside(name), this.#problems);
    });
  }

  #record(key: string): Readonly<Record<string, unknown>> {
    const value = this.#fields[key];
    if (value === undefined || value === "") return {};
    if (isRecord(value)) return value;
    this.report(key, "must be a mapping of keys to values");
    return {};
  }

  #checkOid(key: string, value: string): void {
    if (!OID.test(value.replace(/^\./, ""))) {
      this.report(key, `has "${value}"; write an OID in numbers, such as 1.3.6.1.2.1.1`);
    }
  }

  #inside(name: string): string {
    return this.#where === "" ? name : `${this.#where}, ${name}`;
  }

  #path(key: string): string {
    return this.#where === "" ? key : `${this.#where}, ${key}`;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether one is the other with at most two characters changed, added or left out. */
function resembles(known: string, written: string): boolean {
  let row = Array.from({ length: written.length + 1 }, (_, i) => i);
  for (let i = 1; i <= known.length; i++) {
    const next = [i];
    for (let j = 1; j <= written.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (known[i - 1] === written[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return (row[written.length] ?? 9) <= 2;
}
