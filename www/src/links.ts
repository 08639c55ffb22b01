// The list of links, and the events of the bridge, which have the records.

import type { StoreSchemaEvent } from "tidings/domains";
import type { Link } from "./records.ts";

/** The most links of a list, as in the API. */
const MAX_LINKS = 2_000;

/**
 * Returns a function that says whether one more is allowed: at most so many in a second. It gets the time in milliseconds.
 */
export function perSecond(most: number): (now: number) => boolean {
  let allowed: number[] = [];
  return (now) => {
    allowed = allowed.filter((at) => at > now - 1_000);
    return allowed.length < most && allowed.push(now) > 0;
  };
}

/** Returns the list after an event. Returns `undefined` if only the API can tell the list. */
export function withEvent(links: Link[], { event, payload }: StoreSchemaEvent): Link[] | undefined {
  // The table may have more links than the list.
  if (links.length >= MAX_LINKS) return undefined;
  const others = links.filter(({ id }) => String(id) !== payload.key);
  if (event === "deleted") return others;
  if (!isLink(payload.record)) return undefined;
  // The newest first, as in the API.
  return [...others, payload.record].sort((a, b) => b.id - a.id);
}

/** An event carries a record of any type. */
function isLink(record: unknown): record is Link {
  const { id, title, url, note, tags, votes } = (record ?? {}) as Partial<Record<keyof Link, unknown>>;
  return (
    [id, votes].every(Number.isSafeInteger) &&
    [title, url, note].every((text) => typeof text === "string") &&
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === "string")
  );
}
