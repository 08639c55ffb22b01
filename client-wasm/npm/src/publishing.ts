import type { Published } from "./types.js";

/** A publish, independent of the core that sends it. */
export interface Pending {
  event: string;
  topics: readonly string[] | undefined;
  key: string;
  origin: string | undefined;
  id: number | undefined;
  settle(error: unknown, answer?: Published): void;
  /** What its publisher was given. */
  promise?: Promise<Published>;
}
