import type { Loaded } from "./core.js";

/** Made by `scripts/build.js`: the core as text. */
export function load(): Promise<Loaded>;
