import type { EventMeta } from "./types.js";
import { uuid7 } from "./uuid.js";

/** Marks the writes of a client: whose they are, and their number. */
export class Origin {
  // Not before it is needed: some environments have no random numbers while modules are loaded.
  #client: string | undefined;
  /** The number of the last write that began. */
  writes = 0;

  /** For a write that begins now. */
  next(): string {
    this.#client ??= `${uuid7()}.`;
    return this.#client + ++this.writes;
  }

  isOwn(origin: string | undefined): boolean {
    return this.#client !== undefined && origin?.startsWith(this.#client) === true;
  }
}

/** The number of the write that caused an own event. */
export const writeOf = ({ origin = "" }: EventMeta): number => Number(origin.slice(37));
