// The type of the generated module `core-inline.js`.

import type { Loaded } from "./core.js";

/** `scripts/build.js` writes this module. It holds the core as text. */
export function load(): Promise<Loaded>;
