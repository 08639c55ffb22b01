// The entry `tidings`: its core is a part of the module.

import { Client } from "./client.js";
import type { Domain } from "./topics.js";
import type { ClientOptions } from "./types.js";

export * from "./client.js";

/**
 * Creates a client. It loads nothing and connects to nothing until it is used for the first time, so a page may create it
 * while it is rendered on a server.
 *
 * Throws a `TypeError` for an option of a wrong type. A URL that is none is the error `invalid_url`, at the first use.
 *
 * ```ts
 * import { createClient } from "tidings";
 * import { staff } from "tidings/domains";
 *
 * const client = createClient({ url: "wss://example.com/v1/ws", domains: [staff] });
 * ```
 */
export function createClient<const D extends Domain | string = never>(
  options: ClientOptions<D> = {},
): Client<Extract<D, Domain>> {
  return new Client(() => import("./core-inline.js").then(({ load }) => load()), options);
}
