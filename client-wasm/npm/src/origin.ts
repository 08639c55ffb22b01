import type { EventMeta } from "./types.js";
import { uuid7 } from "./uuid.js";

/** Marks what a client causes: whose it is, then when it began. */
export class Origin {
  #client = `${uuid7()}.`;

  /** For a write that begins now. */
  now(): string {
    return this.#client + Math.floor(performance.now()).toString(36);
  }

  isOwn(origin: string | undefined): boolean {
    return origin?.startsWith(this.#client) === true;
  }
}

/** When the write began that caused an own event, on the clock of `performance.now()`. */
export const wroteAt = ({ origin = "" }: EventMeta): number => Number.parseInt(origin.slice(37), 36);
