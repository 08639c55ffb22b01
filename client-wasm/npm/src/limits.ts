// Generated from the Rust definitions. Do not edit.

/** Publishes that wait for an answer. At the bound, `publish` rejects with `offline_full`. */
export const MAX_PUBLISHES = 256;
