// The log of the test hub: its publications in order, each with a position.

import type { UntypedEvent } from "./topics.js";

/** Publications that the log holds. The oldest go first. A client that comes back from before them gets a sync. */
export const MAX_LOG_ENTRIES = 1_000;

/** An entry of the log. */
export interface Publication {
  /** Its number. It grows by one with each entry. */
  readonly offset: number;
  readonly position: string;
  readonly key: string;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly origin: string | undefined;
  /** The topics that it reaches. `undefined`: a sync of all topics. */
  readonly topics: readonly string[] | undefined;
  /** `undefined`: its topics get a sync. */
  readonly event: UntypedEvent | undefined;
}

/** What is appended to the log. */
export type Entry = Pick<Publication, "key" | "origin" | "topics" | "event">;

/** A log. Equal calls give equal positions and keys, so a test runs the same each time. */
export class Log {
  #epoch = 1;
  #entries: Publication[] = [];
  /** The offset of the newest entry that the log has lost. */
  #tail = 0;
  #byKey = new Map<string, Publication>();
  /** While the journal is away, the hub has heard of the entries up to this offset. */
  #heard = Number.POSITIVE_INFINITY;
  /** Since when the journal is away, in milliseconds since 1970. */
  awaySince: number | undefined;

  /** The offset of the newest entry of which the hub has heard. */
  get head(): number {
    return Math.max(this.#tail, Math.min(this.#heard, this.#end));
  }

  /** The offset of the newest entry. */
  get #end(): number {
    return this.#tail + this.#entries.length;
  }

  get tail(): number {
    return this.#tail;
  }

  /** Appends a publication. The same key again appends nothing, and returns the first publication. */
  append({ key, origin, topics, event }: Entry): Publication {
    const known = this.#byKey.get(key);
    if (known) return known;
    const offset = this.#end + 1;
    const position = this.position(offset);
    const publication = { offset, position, key, at: Date.now(), origin, topics, event };
    this.#entries.push(publication);
    this.#byKey.set(key, publication);
    if (this.#entries.length > MAX_LOG_ENTRIES) {
      const oldest = this.#entries.shift();
      if (oldest) this.#byKey.delete(oldest.key);
      this.#tail += 1;
    }
    return publication;
  }

  byKey(key: string): Publication | undefined {
    return this.#byKey.get(key);
  }

  /** The entries after an offset, in order. */
  after(offset: number): readonly Publication[] {
    return this.#entries.slice(Math.max(0, offset - this.#tail), this.head - this.#tail);
  }

  /** The hub hears of no further entry. */
  journalLeft(): void {
    this.#heard = this.head;
    this.awaySince ??= Date.now();
  }

  /** The hub hears of all entries. */
  journalReturned(): void {
    this.#heard = Number.POSITIVE_INFINITY;
    this.awaySince = undefined;
  }

  /** The position of an offset. */
  position(offset: number): string {
    const tag = offset && Math.imul(offset, 0x9e3779b1) >>> 0;
    return `${hex(this.#epoch, 12)}.${offset}.${hex(tag, 8)}`;
  }

  /** The offset of a position, if the log holds everything after it. */
  resumable(position: string): number | undefined {
    const offset = Number(position.split(".")[1]);
    const isHeld = offset >= this.#tail && offset <= this.head;
    return isHeld && position === this.position(offset) ? offset : undefined;
  }

  /** Loses everything. All positions of before mean nothing now. */
  forget(): void {
    this.#epoch += 1;
    this.#entries = [];
    this.#tail = 0;
    this.#byKey.clear();
    if (this.awaySince !== undefined) this.#heard = 0;
  }
}

/** The UUID with this number. */
export const uuid = (number: number): string => `00000000-0000-7000-8000-${hex(number, 12)}`;

const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, "0");
