// The type of the generated module `core-glue.js`.

import type { Glue } from "./core.js";

/** `scripts/build.js` writes this module. Each call makes the glue of a new instance. */
export function glue(): Glue;
