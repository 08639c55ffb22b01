// The entry `tidings/own`: it runs a core that the user built.

import { Client, TidingsError } from "./client.js";
import type { Glue } from "./core.js";
import type { Domain } from "./topics.js";
import type { ClientOptions } from "./types.js";
import { compile } from "./wasm.js";

export * from "./client.js";

/** The core of your own domains: the two files that `wasm-bindgen --target web` made. */
export interface OwnCore {
  /**
   * The JavaScript file, in one of two ways:
   *
   * - a function that imports it, so that a bundler includes it: `() => import("./pkg/helpdesk_client.js")`
   * - its absolute address, if it is served as it is: `new URL("pkg/helpdesk_client.js", document.baseURI)`
   */
  glue: string | URL | (() => Promise<OwnGlue>);
  /**
   * The absolute address of the WebAssembly file. Without it, the JavaScript file looks for the file beside itself. Vite,
   * webpack and Next.js put it there, because they understand `new URL(…, import.meta.url)`. esbuild and Rollup do not.
   */
  wasm?: string | URL;
}

/** The exports of the JavaScript file. */
export interface OwnGlue {
  default: unknown;
  initSync: unknown;
  Core: unknown;
}

type WebGlue = Glue & { default(): Promise<unknown> };

/** The cores that failed. The module of their glue holds one instance and makes no other. */
const failed = new WeakSet<WebGlue["Core"]>();

let copies = 1;

/**
 * Creates a client, as `createClient` of `tidings` does. This one runs your own core, which knows your own domains.
 *
 * Throws a `TypeError` if `core.glue` is missing. If the core cannot be loaded, the error is `wasm_unavailable`, at the
 * first use.
 */
export function createClient<const D extends Domain | string = never>({
  core,
  ...options
}: ClientOptions<D> & { core: OwnCore }): Client<Extract<D, Domain>> {
  if (!core?.glue)
    throw new TypeError(
      "createClient({ core: { glue } }): `glue` must be a function that imports the JavaScript of your core, or its address",
    );
  return new Client(async () => {
    const module = core.wasm === undefined ? undefined : await compile(core.wasm);
    let glue: WebGlue | undefined;
    return {
      module,
      glue: async () => {
        // A second call: the first instance failed.
        if (glue) failed.add(glue.Core);
        glue = await load(core.glue);
        if (!module) await fetchBeside(glue);
        return glue;
      },
    };
  }, options);
}

async function load(from: OwnCore["glue"]): Promise<WebGlue> {
  if (typeof from === "function") {
    const glue = checked((await from()) as WebGlue);
    if (!failed.has(glue.Core)) return glue;
    const message = "The core failed, and imported glue makes no second instance: load the page again.";
    throw new TidingsError({ code: "core_failed", message });
  }
  const url = new URL(from, globalThis.location?.href);
  const glue = checked(await fetchGlue(url));
  if (!failed.has(glue.Core)) return glue;
  // The same file at another address is another module, with an instance of its own.
  url.searchParams.set("instance", String(++copies));
  return fetchGlue(url);
}

function checked(glue: Partial<WebGlue> | undefined): WebGlue {
  if (!glue?.Core || !glue.initSync || !glue.default)
    throw new TypeError("`core.glue` is not the JavaScript file that `wasm-bindgen --target web` makes");
  return glue as WebGlue;
}

/** Bundlers must leave this import to the browser, which the comments say. `scripts/build.js` must keep the comments. */
function fetchGlue(url: URL): Promise<WebGlue> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ /* turbopackIgnore: true */ url.href);
}

/** Lets the glue fetch the WebAssembly file beside it. */
async function fetchBeside(glue: WebGlue): Promise<void> {
  try {
    await glue.default();
  } catch (cause) {
    // If a bundler left the file behind, the server answers with 404 or with a page.
    if (!/failed to fetch Wasm|magic|0asm/i.test(`${cause}`)) throw cause;
    const message = `The core's WebAssembly is not beside its JavaScript. (${cause})`;
    const hint =
      "Copy it to the bundle, as esbuild and Rollup need it, or give its address: core: { glue, wasm }.";
    throw new TidingsError({ code: "wasm_unavailable", message, hint }, { cause });
  }
}
