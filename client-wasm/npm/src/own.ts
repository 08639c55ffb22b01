import { Client, TidingsError } from "./client.js";
import type { Glue } from "./core.js";
import type { ClientOptions } from "./types.js";
import { compile } from "./wasm.js";

export * from "./client.js";

/** A core of one's own, with domains of one's own: the two files that `wasm-bindgen --target web` made. */
export interface OwnCore {
  /**
   * The JavaScript file. Either a function that imports it, so that a bundler takes it in:
   * `() => import("./pkg/helpdesk_client.js")`. Or its absolute address, at which it is served as it is:
   * `new URL("pkg/helpdesk_client.js", document.baseURI)`.
   */
  glue: string | URL | (() => Promise<OwnGlue>);
  /**
   * The absolute address of the WebAssembly file. If it is left out, the JavaScript file finds the other one beside
   * itself. Bundlers that know `new URL(…, import.meta.url)` (Vite, webpack, Next.js) keep that true; esbuild and Rollup do not.
   */
  wasm?: string | URL;
}

/** What the JavaScript file exports. */
export interface OwnGlue {
  default: unknown;
  initSync: unknown;
  Core: unknown;
}

type WebGlue = Glue & { default(): Promise<unknown> };

/** The cores that failed. Their glue holds one instance, and makes no other. */
const failed = new WeakSet<WebGlue["Core"]>();

let copies = 1;

/** As `createClient` of `tidings`, but with a core of one's own instead of the one that ships. */
export function createClient({ core, ...options }: ClientOptions & { core: OwnCore }): Client {
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
        // Asked again: the instance failed.
        if (glue) failed.add(glue.Core);
        glue = await load(core.glue);
        if (!module) await fetchBeside(glue);
        return glue;
      },
    };
  }, options);
}

/** Lets the glue fetch its WebAssembly. */
async function fetchBeside(glue: WebGlue): Promise<void> {
  try {
    await glue.default();
  } catch (cause) {
    // Where a bundler left it behind, its address answers with 404 or with a page.
    if (!/failed to fetch Wasm|magic|0asm/i.test(`${cause}`)) throw cause;
    const message = `The core's WebAssembly is not beside its JavaScript. (${cause})`;
    const hint =
      "Copy it to the bundle, as esbuild and Rollup need it, or give its address: core: { glue, wasm }.";
    throw new TidingsError({ code: "wasm_unavailable", message, hint }, { cause });
  }
}

function checked(glue: Partial<WebGlue> | undefined): WebGlue {
  if (!glue?.Core || !glue.initSync || !glue.default)
    throw new TypeError("`core.glue` is not the JavaScript file that `wasm-bindgen --target web` makes");
  return glue as WebGlue;
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
  // At another address it is another module, with an instance of its own.
  url.searchParams.set("instance", String(++copies));
  return fetchGlue(url);
}

/** Bundlers leave this import to the browser. `scripts/build.js` must keep the comments. */
function fetchGlue(url: URL): Promise<WebGlue> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ /* turbopackIgnore: true */ url.href);
}
