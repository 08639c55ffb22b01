// The errors of a page that can't load the package or reach the server, in a real browser with its own messages.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./window.mjs";

const DIST = new URL("../../client-wasm/npm/dist/", import.meta.url);
const PAGE = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>App</title>";
const TYPES = { js: "text/javascript", wasm: "application/wasm" };

/** Milliseconds after which a test has hung. */
const timeout = 30_000;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Serves the package. `policy` is the Content-Security-Policy; `answers` has a list of answers for a path. */
async function site(t, { policy, answers = {}, files = {} } = {}) {
  const server = createServer(async ({ url }, response) => {
    const other = answers[url]?.length > 1 ? answers[url].shift() : answers[url]?.[0];
    const name = url.match(/^\/tidings\/([\w-]+\.(js|wasm))$/);
    const found = { status: 200, type: "text/html", body: PAGE };
    if (files[url]) Object.assign(found, { type: TYPES.js, body: files[url] });
    else if (name)
      Object.assign(found, { type: TYPES[name[2]], body: await readFile(new URL(name[1], DIST)) });
    Object.assign(found, other);
    const headers = { "Content-Type": found.type, ...(policy && { "Content-Security-Policy": policy }) };
    response.writeHead(found.status, headers).end(found.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://localhost:${server.address().port}`;
}

/** Opens a page of a site, and collects the console's messages of Tidings. */
async function open(t, origin) {
  const context = await browser.createBrowserContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const said = [];
  page.on("console", (message) => message.text().startsWith("tidings:") && said.push(message.text()));
  await page.goto(origin);
  return { page, said };
}

/** Subscribes with the client of an entry. Returns its first error and its status. */
const firstError = (page, entry, url = "ws://127.0.0.1:1/v1/ws") =>
  page.evaluate(
    async (path, url) => {
      const { createClient } = await import(path);
      const client = createClient({ url });
      const told = new Promise((resolve) => client.on("error", resolve));
      client.subscribe("staff:people", () => {});
      const { code, message, hint, retryable } = await told;
      const { status } = client;
      client.close();
      return { code, message, hint, retryable, status };
    },
    `/tidings/${entry}.js`,
    url,
  );

test("the error of a policy that forbids WebAssembly names the policy", { timeout }, async (t) => {
  for (const entry of ["index", "url"]) {
    const { page } = await open(t, await site(t, { policy: "script-src 'self'" }));
    const { code, message, hint, retryable, status } = await firstError(page, entry);
    assert.deepEqual([code, retryable, status], ["wasm_unavailable", false, "closed"], message);
    assert.match(message, /^This page's Content-Security-Policy does not allow WebAssembly/);
    assert.match(hint, /'wasm-unsafe-eval'/);
  }
});

test("the error of a missing core.wasm, or of a page instead of it, does not name the policy", {
  timeout,
}, async (t) => {
  for (const [answer, what] of [
    [{ status: 404, body: "" }, /the answer is 404/],
    [{ type: "text/html", body: PAGE }, /the file is text\/html and not WebAssembly/],
  ]) {
    const { page } = await open(t, await site(t, { answers: { "/tidings/core.wasm": [answer] } }));
    const { code, message, hint, retryable } = await firstError(page, "url");
    assert.deepEqual([code, retryable], ["wasm_unavailable", false], message);
    assert.match(message, what);
    assert.match(hint, /Is the file served there\?.*optimizeDeps.*The entry `tidings` needs no such file/);
  }
});

test("the error of a module that could not be loaded says so", { timeout }, async (t) => {
  const { page } = await open(
    t,
    await site(t, { answers: { "/tidings/core-inline.js": [{ status: 503 }] } }),
  );
  const { code, message, hint, retryable, status } = await firstError(page, "index");
  assert.deepEqual([code, retryable, status], ["wasm_unavailable", true, "reconnecting"], message);
  assert.match(
    message,
    /^The module with the core was not loaded\. \(TypeError: Failed to fetch dynamically/,
  );
  assert.match(hint, /after a release, load the page again/);
});

test("the client tries again after a temporary error until it has the core", { timeout }, async (t) => {
  for (const [entry, file] of [
    ["url", "core.wasm"],
    ["url", "core-glue.js"],
    ["index", "core-inline.js"],
  ]) {
    const busy = { status: 503, body: "" };
    const { page, said } = await open(t, await site(t, { answers: { [`/tidings/${file}`]: [busy, {}] } }));
    const statuses = await page.evaluate(async (path) => {
      const { createClient } = await import(path);
      const client = createClient({ url: "ws://127.0.0.1:1/v1/ws" });
      const statuses = [];
      const told = new Promise((resolve) => {
        client.on("status", (status) => statuses.push(status));
        client.on("error", ({ code }) => code === "connect_failed" && resolve());
      });
      client.subscribe("staff:people", () => {});
      await told;
      client.close();
      return statuses.slice(0, 3);
    }, `/tidings/${entry}.js`);
    assert.deepEqual(statuses, ["connecting", "reconnecting", "connecting"]);
    assert.deepEqual(said, []);
  }
});

test("in a service worker the error names the missing import()", { timeout }, async (t) => {
  const worker = `
    import { createClient } from "/tidings/index.js";
    self.addEventListener("message", ({ ports: [port] }) => {
      const client = createClient();
      client.on("error", ({ message, hint, retryable }) => port.postMessage({ message, hint, retryable }));
      client.subscribe("staff:people", () => {});
    });`;
  const { page } = await open(t, await site(t, { files: { "/worker.js": worker } }));
  const { message, hint, retryable } = await page.evaluate(async () => {
    await navigator.serviceWorker.register("/worker.js", { type: "module" });
    const { active } = await navigator.serviceWorker.ready;
    const channel = new MessageChannel();
    const answer = new Promise((resolve) => {
      channel.port1.onmessage = ({ data }) => resolve(data);
    });
    active.postMessage(undefined, [channel.port2]);
    return answer;
  });
  assert.match(
    message,
    /^The core was not loaded in this service worker: TypeError: import\(\) is disallowed/,
  );
  assert.match(hint, /let the bundler put all into one file/);
  assert.equal(retryable, false);
});

test("a policy that forbids the connection is an error at once, and the hint names it", {
  timeout,
}, async (t) => {
  const { page } = await open(t, await site(t, { policy: "connect-src 'none'" }));
  const begun = performance.now();
  const { code, hint } = await firstError(page, "index");
  assert.equal(code, "connect_failed");
  assert.match(hint, /Does the page's Content-Security-Policy allow it \(connect-src\)\?/);
  assert.ok(performance.now() - begun < 9_000, "the client waited for the handshake timeout");
});

test("a server that can't be reached is one error, with a hint", { timeout }, async (t) => {
  const program = process.env.TIDINGS_BIN;
  assert.ok(program, "TIDINGS_BIN is not set: run `cargo xtask test browser`, which builds the server");
  const key = fileURLToPath(new URL("../keys/secret", import.meta.url));
  const options = ["--jwt-key-file", key, "--allow-origin", "https://app.example"];
  const server = spawn(program, ["serve", "--listen", "127.0.0.1:0", ...options], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(() => server.kill("SIGKILL"));
  const [line] = await once(createInterface({ input: server.stdout }), "line");
  const host = line.match(/listening on http:\/\/(\S+)/)[1];
  const origin = await site(t);
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const { port } = gone.address();
  gone.close();
  const cases = [
    [`ws://127.0.0.1:${port}/v1/ws`, /never opened/, /Is the server up/],
    [`ws://${host}/elsewhere`, /Its path is \/v1\/ws/],
    [`wss://${host}/v1/ws`, /If it has no TLS, write ws:/],
    ["/v1/ws", /pass WebSockets on to it \(Vite: server\.proxy with ws: true\)/],
    [`ws://${host}/v1/ws`, new RegExp(`--allow-origin ${origin}`)],
  ];
  const reach = async ([url, ...checks]) => {
    const { page, said } = await open(t, origin);
    const { status, lastError } = await page.evaluate(async (url) => {
      const { createClient } = await import("/tidings/index.js");
      const client = createClient({ url });
      client.subscribe("staff:people", () => {});
      while (!client.lastError) await new Promise((resolve) => client.on("status", resolve));
      const { code, message, retryable } = client.lastError;
      // Two more attempts fail without a message.
      for (let ends = 0; ends < 4; ends++) await new Promise((resolve) => client.on("status", resolve));
      const { status } = client;
      client.close();
      return { status, lastError: { code, message, retryable } };
    }, url);
    assert.notEqual(status, "closed");
    assert.deepEqual([lastError.code, lastError.retryable], ["connect_failed", true]);
    assert.equal(said.length, 1, said.join("\n"));
    assert.ok(said[0].startsWith(`tidings: connect_failed: ${lastError.message}\n`), said[0]);
    for (const check of [/No connection to wss?:\S+: 3 attempts/, ...checks]) assert.match(said[0], check);
  };
  await Promise.all(cases.map(reach));
});
