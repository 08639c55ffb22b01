// How the core is loaded: the errors, and which of them lead to another attempt.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { mock, test } from "node:test";
import { Client } from "../dist/client.js";
import { load } from "../dist/core-inline.js";
import { compile } from "../dist/wasm.js";
import { useFake } from "./fake.js";

const CORE = await readFile(new URL("../dist/core.wasm", import.meta.url));

/** Milliseconds after which a test has hung. */
const timeout = 20_000;

/** A server that gives these answers one after the other, and then the last one for ever. */
async function serve(t, ...answers) {
  const asked = { times: 0 };
  const server = createServer((_request, response) => {
    const {
      status = 200,
      type = "application/wasm",
      body = "",
    } = answers[Math.min(asked.times++, answers.length - 1)];
    response.writeHead(status, { "Content-Type": type }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}/core.wasm`, asked };
}

/** A client that loads its core from this URL, and its errors. */
async function open(t, from) {
  useFake(t);
  const { glue } = await load();
  const loads = typeof from === "function" ? from : async () => ({ glue, module: await compile(from) });
  const client = new Client(loads, { url: "http://127.0.0.1:1/v1/ws" });
  t.after(() => client.close());
  const errors = [];
  client.on("error", (error) => errors.push(error));
  return { client, errors };
}

test("the error of a core that can't be loaded says what came instead", { timeout }, async (t) => {
  const page = "<!doctype html><title>App</title>";
  for (const [answer, retryable, message, hint] of [
    [
      { status: 404, body: "no" },
      false,
      /^The core could not be loaded from http.*core\.wasm: the answer is 404\./,
      /Is the file served/,
    ],
    [{ status: 401 }, false, /the answer is 401/, /Is the file served/],
    [
      { type: "text/html", body: page },
      false,
      /the file is text\/html and not WebAssembly/,
      /optimizeDeps.*The entry `tidings`/,
    ],
    [{ body: "" }, false, /and not WebAssembly/, /Is the file served/],
    [{ body: CORE.subarray(0, 5000) }, false, /The core is damaged.*CompileError/, /a cache keep an old one/],
  ]) {
    const { client, errors } = await open(t, (await serve(t, answer)).url);
    const { ready } = client.subscribe("staff:people", () => {});
    await assert.rejects(ready, { code: "wasm_unavailable", retryable, message, hint });
    assert.equal(client.status, "closed");
    assert.equal(errors.length, 1);
    assert.doesNotMatch(errors[0].hint + errors[0].message, /Content-Security-Policy|reload/);
  }
});

test("after a temporary error the client tries again until it has the core, and tells it once", {
  timeout,
}, async (t) => {
  const { url, asked } = await serve(t, { status: 503 }, { status: 429 }, { body: CORE });
  const { client, errors } = await open(t, url);
  const statuses = [];
  client.on("status", (status) => statuses.push(status));
  const published = client.publish({ domain: "a", event: "b", payload: 1 }, { topics: ["a:b"] });
  await client.subscribe("staff:people", () => {}).ready;
  assert.equal((await published).topics.length, 1);
  assert.equal(asked.times, 3);
  assert.deepEqual(statuses, [
    "connecting",
    "reconnecting",
    "connecting",
    "reconnecting",
    "connecting",
    "open",
  ]);
  assert.deepEqual(
    errors.map(({ code, retryable }) => [code, retryable]),
    [["wasm_unavailable", true]],
  );
  assert.match(errors[0].message, /the answer is 503/);
  assert.equal(client.lastError, undefined);
});

test("a data: URL of a core is not printed whole", async (t) => {
  const { client } = await open(t, `data:application/wasm;base64,${CORE.toString("base64").slice(4)}`);
  const { ready } = client.subscribe("staff:people", () => {});
  await assert.rejects(ready, ({ message }) => /and not WebAssembly/.test(message) && message.length < 400);
});

test("the client waits for a network that is away, and close() ends the wait", { timeout }, async (t) => {
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const { port } = gone.address();
  gone.close();
  const { client } = await open(t, `http://127.0.0.1:${port}/core.wasm`);
  const told = new Promise((resolve) => client.on("error", resolve));
  const { ready } = client.subscribe("staff:people", () => {});
  const { retryable, message, hint } = await told;
  assert.equal(retryable, true);
  assert.match(message, /^The core could not be loaded from http:\/\/127.*fetch failed/);
  assert.match(hint, /Is this device online/);
  client.close();
  await assert.rejects(ready, { code: "closed" });
});

test("the error of a file that can't be fetched names the entry that needs no file", async (t) => {
  const { client } = await open(t, new URL("../dist/core.wasm", import.meta.url));
  const { ready } = client.subscribe("staff:people", () => {});
  await assert.rejects(ready, {
    code: "wasm_unavailable",
    retryable: false,
    hint: /Use the entry `tidings`/,
  });
});

test("the errors of browsers and bundlers are told apart", { timeout }, async (t) => {
  const compileError = (text) => new WebAssembly.CompileError(`WebAssembly.compile(): ${text}`);
  const chunk = Object.assign(new Error("Loading chunk 7 failed."), { name: "ChunkLoadError" });
  const missing = Object.assign(new Error("Cannot find module 'http://localhost/x.js'"), {
    code: "MODULE_NOT_FOUND",
  });
  const policy = /^This page's Content-Security-Policy does not allow WebAssembly\./;
  const unloaded = /^The module with the core was not loaded\./;
  for (const [cause, retryable, message] of [
    [compileError("violates the following Content Security policy directive"), false, policy],
    [compileError("Refused to compile because 'unsafe-eval' is not an allowed source"), false, policy],
    [new WebAssembly.CompileError("call to WebAssembly.compile() blocked by CSP"), false, policy],
    [compileError("Wasm code generation disallowed by embedder"), false, policy],
    [compileError("expected magic word 00 61 73 6d"), false, /^The core is damaged/],
    [
      new WebAssembly.LinkError("import requires a callable"),
      false,
      /^The core is damaged, or of another version/,
    ],
    [new TypeError("Failed to fetch dynamically imported module: http://localhost/x.js"), true, unloaded],
    [new TypeError("error loading dynamically imported module: http://localhost/x.js"), false, unloaded],
    [new TypeError("Importing a module script failed."), true, unloaded],
    [chunk, true, unloaded],
    [missing, false, /^The module with the core is missing\. \(Error: Cannot find module/],
    [
      new TypeError("new Blob(...).stream is not a function"),
      false,
      /^The core was not loaded: TypeError: new Blob/,
    ],
  ]) {
    const { client } = await open(t, async () => {
      throw cause;
    });
    const told = new Promise((resolve) => client.on("error", resolve));
    client.subscribe("staff:people", () => {});
    const error = await told;
    assert.match(error.message, message);
    assert.equal(error.retryable, retryable, error.message);
    assert.equal(error.cause, cause);
    assert.equal(client.status, retryable ? "reconnecting" : "closed");
    assert.equal(error.hint?.includes("wasm-unsafe-eval") ?? false, message === policy);
    client.close();
  }
});

test("a page that is shown again does not wait for the next attempt", { timeout }, async (t) => {
  mock.method(Math, "random", () => 1);
  t.after(() => mock.restoreAll());
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  t.after(() => delete globalThis.addEventListener);
  const { url } = await serve(t, { status: 503 }, { body: CORE });
  const { client } = await open(t, url);
  const waits = new Promise((resolve) =>
    client.on("status", (status) => status === "reconnecting" && resolve()),
  );
  // The wait never ends by itself.
  const set = globalThis.setTimeout;
  const lasting = mock.method(globalThis, "setTimeout", (fires, ms, ...rest) =>
    set(fires, ms >= 1_000 ? 2 ** 31 - 1 : ms, ...rest),
  );
  const { ready } = client.subscribe("staff:people", () => {});
  await waits;
  lasting.mock.restore();
  setImmediate(() => target.dispatchEvent(new Event("online")));
  await ready;
});

test("the waits between attempts double up to 20 seconds", { timeout }, async (t) => {
  const { client } = await open(t, async () => {
    throw new TypeError("Importing a module script failed.");
  });
  mock.method(Math, "random", () => 1);
  const waits = [];
  const done = new Promise((resolve) => {
    mock.method(globalThis, "setTimeout", (fires, ms) => {
      if (waits.push(ms) === 7) resolve();
      else queueMicrotask(fires);
    });
  });
  t.after(() => mock.restoreAll());
  client.subscribe("staff:people", () => {});
  await done;
  // The first is the time for which an early WebSocket waits for the core.
  assert.deepEqual(waits, [3_000, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000]);
});
