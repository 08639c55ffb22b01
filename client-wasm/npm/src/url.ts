// The entry `tidings/url`: it fetches its core as a file of its own.

import { Client } from "./client.js";
import type { Domain } from "./topics.js";
import type { ClientOptions } from "./types.js";
import { compile } from "./wasm.js";

export * from "./client.js";

/**
 * Creates a client, as `createClient` of `tidings` does. This one fetches its core as a file of its own, which is the
 * smallest transfer.
 */
export function createClient<const D extends Domain | string = never>(
  options: ClientOptions<D> = {},
): Client<Extract<D, Domain>> {
  return new Client(async () => {
    const core = compile(new URL("./core.wasm", import.meta.url));
    const [{ glue }, module] = await Promise.all([import("./core-glue.js"), core]);
    return { glue, module };
  }, options);
}
