import { Client } from "./client.js";
import type { ClientOptions } from "./types.js";

export * from "./client.js";

/**
 * Makes a client. It does nothing, and loads nothing, until something is asked of it; it may be made while a page is
 * rendered on a server.
 */
export function createClient(options: ClientOptions = {}): Client {
  return new Client(() => import("./core-inline.js").then(({ load }) => load()), options);
}
