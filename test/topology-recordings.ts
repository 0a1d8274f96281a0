import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RECORDINGS } from "./inventory-recordings.ts";

/** How the recorded devices were cabled, as text; and computed links in the same words. */

interface RecordedEnd {
  readonly device: string;
  readonly ifIndex: number | null;
}

interface RecordedLink {
  readonly a: RecordedEnd;
  readonly b: RecordedEnd;
  readonly seenFrom: string;
}

export function recordedLinks(): string[] {
  const { links } = JSON.parse(readFileSync(join(RECORDINGS, "topology.json"), "utf8")) as {
    links: readonly RecordedLink[];
  };
  return links
    .map(({ a, b, seenFrom }) =>
      textOf(
        [a, b].map((end) => ({ name: end.device, ifIndex: end.ifIndex ?? undefined })),
        seenFrom !== "both",
      ),
    )
    .toSorted();
}

interface ComputedEnd {
  readonly routerId?: string | undefined;
  readonly ifIndex?: number | undefined;
}

export interface ComputedLink {
  readonly a: ComputedEnd;
  readonly b: ComputedEnd;
  readonly layer: string;
  readonly oneSided: boolean;
}

/** The cables between routers of ours; what leads to anyone else is left out. */
export function linksBetweenRouters(
  links: readonly ComputedLink[],
  nameOf: (routerId: string) => string = (id) => id,
): string[] {
  return links
    .filter(({ layer }) => layer === "physical")
    .flatMap(({ a, b, oneSided }) => {
      if (a.routerId === undefined || b.routerId === undefined) return [];
      const ends = [
        { name: nameOf(a.routerId), ifIndex: a.ifIndex },
        { name: nameOf(b.routerId), ifIndex: b.ifIndex },
      ];
      return textOf(ends, oneSided);
    })
    .toSorted();
}

function textOf(
  ends: readonly { readonly name: string; readonly ifIndex: number | undefined }[],
  oneSided: boolean,
): string {
  const texts = ends.map(({ name, ifIndex }) => `${name}:${ifIndex ?? "?"}`).toSorted();
  return `${texts.join(" -- ")} ${oneSided ? "one side" : "both"}`;
}
