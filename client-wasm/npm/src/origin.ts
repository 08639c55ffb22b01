// The marks by which a client recognizes its own writes.

import type { EventMeta } from "./types.js";
import { uuid7 } from "./uuid.js";

/** Marks the writes of a client. A mark is the client's UUID and the number of the write. */
export class Origin {
  // Made at the first use: some environments have no random numbers while modules are loaded.
  #client: string | undefined;
  /** The number of the last write that began. */
  writes = 0;

  /** Returns the mark of a write that begins now. */
  next(): string {
    this.#client ??= `${uuid7()}.`;
    return this.#client + ++this.writes;
  }

  isOwn(origin: string | null | undefined): boolean {
    return this.#client !== undefined && origin?.startsWith(this.#client) === true;
  }
}

/** Returns the number of the write that caused an own event. */
export const writeOf = ({ origin = "" }: EventMeta): number => Number(origin.slice(37));
