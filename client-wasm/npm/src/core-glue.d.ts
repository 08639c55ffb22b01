import type { Glue } from "./core.js";

/** Made by `scripts/build.js`: wasm-bindgen's glue, once for each instance. */
export function glue(): Glue;
