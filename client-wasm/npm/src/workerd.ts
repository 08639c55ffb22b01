// The entry `tidings` for workerd, the runtime of Cloudflare Workers. It compiles no WebAssembly while it runs, so the core is
// a module of its own, which the bundler compiles.

import { Client } from "./client.js";
import module from "./core.wasm";
import { glue } from "./core-glue.js";
import type { Domain } from "./topics.js";
import type { ClientOptions } from "./types.js";

export * from "./client.js";

/** Creates a client, as `createClient` of the entry for all other environments does, which documents it. */
export function createClient<const D extends Domain | string = never>(
  options: ClientOptions<D> = {},
): Client<Extract<D, Domain>> {
  return new Client(async () => ({ glue, module }), options);
}
