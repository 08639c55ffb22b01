// A core of the user. A function imports its glue.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "../dist/core-inline.js";
import { createClient } from "../dist/own.js";
import { settled, socket, useFake } from "./fake.js";

/** A module as `wasm-bindgen --target web` makes it: it has one instance, and fetches its WebAssembly by itself. */
async function imported() {
  const { module, glue } = await load();
  const real = glue();
  const state = { fails: false, fetched: 0 };
  class Core extends real.Core {
    constructor(host, ...rest) {
      const guard = (callback) =>
        host.guard((...args) => {
          if (state.fails) throw new WebAssembly.RuntimeError("unreachable");
          return callback(...args);
        });
      super(Object.assign(Object.create(host), host, { guard }), ...rest);
    }
  }
  const fetchCore = async () => {
    state.fetched += 1;
    real.initSync({ module });
  };
  const initSync = () => assert.equal(state.fetched > 0, true, "used before its core was fetched");
  return { state, glue: async () => ({ default: fetchCore, initSync, Core }) };
}

const open = (t, glue) => {
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", core: { glue } });
  t.after(() => client.close());
  return client;
};

test("imported glue finds its WebAssembly by itself", async (t) => {
  useFake(t);
  const { state, glue } = await imported();
  await open(t, glue).subscribe("staff:people", () => {}).ready;
  assert.equal(state.fetched, 1);
});

test("a core that failed is not used again if its glue makes no second one, and the error says so", async (t) => {
  useFake(t);
  const { state, glue } = await imported();
  const client = open(t, glue);
  const errors = [];
  client.on("error", (error) => errors.push(error));
  await client.subscribe("staff:people", () => {}).ready;
  state.fails = true;
  socket().event(["staff:people"], {});
  while (client.status !== "closed") await settled();
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["core_failed", "core_failed"],
  );
  assert.match(errors[1].message, /load the page again/);
  assert.equal(errors[1].retryable, false);
  // The next client does not use it either.
  await assert.rejects(open(t, glue).subscribe("staff:people", () => {}).ready, { code: "core_failed" });
});

test("the error of wrong glue, or of glue without its WebAssembly, says what to do", async (t) => {
  useFake(t);
  const { glue } = await imported();
  const failing = (text) => async () => ({
    ...(await glue()),
    default: async () => {
      throw new Error(text);
    },
  });
  const missing = failing("failed to fetch Wasm: 404 Not Found fetching 'http://localhost/dist/x_bg.wasm'");
  const page = failing("CompileError: expected magic word 00 61 73 6d, found 3c 21 64 6f @+0");
  for (const [core, message, hint] of [
    [
      async () => ({ topic: {} }),
      /`core.glue` is not the JavaScript file that `wasm-bindgen --target web` makes/,
    ],
    [
      missing,
      /not beside its JavaScript.*localhost\/dist\/x_bg.wasm/,
      /Copy it to the bundle.*core: { glue, wasm }/,
    ],
    [page, /not beside its JavaScript/, /Copy it to the bundle/],
    [failing("anything else"), /anything else/],
  ]) {
    const error = await open(t, core)
      .subscribe("staff:people", () => {})
      .ready.catch((error) => error);
    assert.equal(error.code, "wasm_unavailable");
    assert.match(error.message, message);
    if (hint) assert.match(error.hint, hint);
  }
});

test("every bundler leaves the import of glue by its address to the browser", () => {
  const text = readFileSync(new URL("../dist/own.js", import.meta.url), "utf8");
  const [, comments] = /\bimport\(([^)]*)\.href/.exec(text) ?? [];
  for (const said of ["webpackIgnore: true", "@vite-ignore", "turbopackIgnore: true"])
    assert.ok(comments?.includes(`/* ${said} */`), `${said}: ${comments}`);
});
