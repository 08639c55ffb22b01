// The hooks of `tidings/react` in Chromium: a thousand rows, and what 10,000 mounts leave behind.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Hub } from "./hub.mjs";
import { example } from "./react-example.mjs";
import { launch } from "./window.mjs";

/** React, esbuild and the package are installed there. */
const { resolve } = createRequire(new URL("../../client-wasm/npm/package.json", import.meta.url));

/** Milliseconds after which a test has hung. */
const timeout = 60_000;

let browser;
let hub;
let script;

before(async () => {
  const { build } = await import(resolve("esbuild"));
  hub = await Hub.start(0, []);
  browser = await launch();
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("react-page.js", import.meta.url))],
    bundle: true,
    format: "esm",
    minify: true,
    write: false,
    alias: Object.fromEntries(
      ["react", "react-dom/client", "tidings", "tidings/domains", "tidings/react"].map((name) => [
        name,
        name.startsWith("tidings")
          ? fileURLToPath(
              import.meta.resolve(`../../client-wasm/npm/dist/${name.split("/")[1] ?? "index"}.js`),
            )
          : resolve(name),
      ]),
    ),
    define: { "process.env.NODE_ENV": '"production"' },
  });
  script = outputFiles[0].text;
});

after(async () => {
  await browser?.close();
  await hub?.end("SIGKILL");
});

/** Opens the page, and counts what it asks for. */
async function open(t) {
  const store = { text: "1", fetches: 0 };
  const site = createServer((request, response) => {
    const isData = request.url === "/data";
    if (isData) store.fetches++;
    const body = isData
      ? store.text
      : request.url === "/page.js"
        ? script
        : "<!doctype html><link rel=icon href=data:,><script type=module src=page.js></script>";
    response
      .writeHead(200, { "Content-Type": request.url === "/page.js" ? "text/javascript" : "text/html" })
      .end(body);
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const page = await browser.newPage();
  t.after(async () => {
    await page.close();
    site.close();
    site.closeAllConnections();
  });
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  const devtools = await page.createCDPSession();
  await devtools.send("Network.enable");
  const sent = [];
  let sockets = 0;
  devtools.on("Network.webSocketCreated", () => sockets++);
  devtools.on("Network.webSocketFrameSent", ({ response }) => sent.push(JSON.parse(response.payloadData)));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.evaluate((url) => window.open(url), `${hub.url.replace("http", "ws")}/v1/ws`);
  const frames = (op) => sent.filter((frame) => frame.op === op).length;
  return {
    page,
    store,
    faults,
    counts: () => ({
      sockets,
      subscribes: frames("subscribe"),
      unsubscribes: frames("unsubscribe"),
      fetches: store.fetches,
    }),
    /** Bytes of JavaScript's heap that are in use. */
    async heap() {
      for (let n = 0; n < 3; n++) await devtools.send("HeapProfiler.collectGarbage");
      return (await devtools.send("Runtime.getHeapUsage")).usedSize;
    },
  };
}

async function publish() {
  const event = {
    domain: "staff",
    event: "person_updated",
    payload: { uuid: "0198c0de-0000-7000-8000-000000000007" },
  };
  const answer = await fetch(`${hub.url}/v1/publish`, { method: "POST", body: JSON.stringify({ event }) });
  assert.ok(answer.ok, `${answer.status}`);
}

test("1,000 rows of one topic: one socket, one subscribe, one fetch for all, and none for a remount", {
  timeout,
}, async (t) => {
  const { page, store, faults, counts } = await open(t);
  const rows = (generation, text) =>
    page.evaluate((...args) => window.rows(1_000, false, ...args), generation, text);
  await rows(1, "1");
  store.text = "2";
  await publish();
  await rows(1, "2");
  await rows(2, "2");
  await page.evaluate(() => window.leave());
  await rows(3, "2");
  assert.deepEqual(counts(), { sockets: 1, subscribes: 1, unsubscribes: 0, fetches: 2 });
  assert.deepEqual(faults, []);
});

test("1,000 rows with a topic each: one socket, few frames, and no load for a remount", {
  timeout,
}, async (t) => {
  const { page, faults, counts } = await open(t);
  const rows = (generation, text) =>
    page.evaluate((...args) => window.rows(1_000, true, ...args), generation, text);
  const all = async () => ({ ...counts(), loads: await page.evaluate(() => window.alone.loads) });
  await rows(1, "1");
  const first = await all();
  assert.ok(first.subscribes <= 9 && first.sockets === 1, JSON.stringify(first));
  await rows(2, "1");
  await page.evaluate(() => window.leave());
  await rows(3, "1");
  assert.deepEqual(await all(), first);
  // The event concerns one of them.
  await publish();
  await page.waitForFunction((loads) => window.alone.loads > loads, {}, first.loads);
  await rows(3, "1");
  assert.deepEqual(await all(), { ...first, loads: first.loads + 1 });
  assert.deepEqual(faults, []);
});

test("10,000 mounts leave nothing behind, and a planted leak is found", { timeout }, async (t) => {
  const { page, faults, counts, heap } = await open(t);
  const growth = async (count) => {
    const before = await heap();
    await page.evaluate((count) => window.mount(count), count);
    return (await heap()) - before;
  };
  // Caches and compiled code grow at first.
  await growth(2_000);
  const bytes = await growth(10_000);
  await page.evaluate(() => window.plant());
  const leaked = await growth(2_000);
  t.diagnostic(
    `10,000 mounts: ${bytes} bytes; 2,000 with a leak: ${leaked} bytes; ${JSON.stringify(counts())}`,
  );
  assert.deepEqual(faults, []);
  assert.ok(bytes < LIMIT, `${bytes} bytes`);
  assert.ok(leaked > LIMIT, `${leaked} bytes`);
});

/** Bytes that may be left. A single object of a mount that stayed would be more: 10,000 times 40 bytes. */
const LIMIT = 400_000;

for (const name of ["react", "query"])
  test(`the example \`${name}\` is type-checked and built, and shows in two windows what is stored`, {
    timeout,
  }, async (t) => {
    const url = await example(t, hub, name);
    const windows = await Promise.all([1, 2].map(() => browser.newPage()));
    t.after(() => Promise.all(windows.map((page) => page.close())));
    const [loads, faults] = [[0, 0], []];
    for (const [n, page] of windows.entries()) {
      page.on(
        "request",
        (request) => request.method() === "GET" && request.url().endsWith("/api/people") && loads[n]++,
      );
      page.on("pageerror", (error) => faults.push(String(error)));
      page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    }
    const shows = (page, name, status = "open") =>
      page.waitForFunction(
        (name, status) =>
          document.querySelector("li")?.textContent.startsWith(`${name} `) &&
          document.querySelector("[role=status]").textContent === status,
        // A window behind another has no animation frames.
        { polling: 20 },
        name,
        status,
      );
    const rename = async (page, name) => {
      await page.locator("li:first-child button").click();
      await page.locator("input").fill(name);
      await page.locator("form button").click();
      await page.waitForFunction(() => !document.querySelector("form"), { polling: 20 });
    };
    const [one, other] = windows;
    for (const page of windows) {
      await page.goto(url);
      await shows(page, "Ada");
    }
    await one.bringToFront();
    await rename(one, "Ada Lovelace");
    for (const page of windows) await shows(page, "Ada Lovelace");
    // The window that wrote has shown it at once, and loads nothing for it.
    assert.deepEqual([loads, faults], [[1, 2], []]);
    await other.bringToFront();
    await rename(other, "Countess Ada");
    for (const page of windows) await shows(page, "Countess Ada");
    assert.deepEqual([loads, faults], [[2, 2], []]);
  });
