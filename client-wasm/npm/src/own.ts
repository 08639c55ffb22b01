/// <reference lib="esnext.disposable" />
import { Client } from "./client.js";
import type { Glue } from "./core.js";
import type { ClientOptions } from "./types.js";
import { compile } from "./wasm.js";

export * from "./client.js";

/** A core of one's own, with domains of one's own: the two files that `wasm-bindgen --target web` made. */
export interface OwnCore {
  /** The JavaScript file, absolute: `new URL("./pkg/helpdesk_client.js", import.meta.url)`. */
  glue: string | URL;
  /** The WebAssembly file, absolute. */
  wasm: string | URL;
}

/** As `createClient` of `tidings`, but with a core of one's own instead of the one that ships. */
export function createClient({ core, ...options }: ClientOptions & { core: OwnCore }): Client {
  return new Client(async () => {
    const module = await compile(await fetch(core.wasm));
    let instances = 0;
    return {
      module,
      // The glue keeps its instance in variables of its module, so each instance is a module of its own.
      glue: () => {
        const url = new URL(core.glue, globalThis.location?.href);
        if (instances++ > 0) url.searchParams.set("instance", String(instances));
        return import(/* @vite-ignore */ /* webpackIgnore: true */ url.href) as Promise<Glue>;
      },
    };
  }, options);
}
