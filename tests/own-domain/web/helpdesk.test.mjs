// A domain of the user, end to end: its server, its core in a real browser, typed decoding.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";

const WEB = fileURLToPath(new URL(".", import.meta.url));
// The guide's page as Vite built it. `cargo xtask test own-domain` sets this.
const GUIDE = process.env.GUIDE_DIST;
const TICKET = "0198c0de-0000-7000-8000-000000000001";
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

let server;
let url;
let pages;
let browser;

/** The file of a path, in the guide's page or in this folder. */
async function file(path, script) {
  if (path === "/" && script)
    return `<!doctype html><ul id="log"></ul><script type="module" src="/dist/${script}.js"></script>`;
  for (const folder of [GUIDE, WEB].filter(Boolean)) {
    const body = await readFile(join(folder, path === "/" ? "index.html" : path)).catch(() => {});
    if (body) return body;
  }
}

before(async () => {
  server = spawn(process.env.HELPDESK_SERVER, ["serve", "--dev", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = await once(createInterface(server.stdout), "line");
  url = line.replace("listening on ", "");
  pages = createServer(async ({ url }, response) => {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const path = normalize(pathname);
    const body = await file(path, searchParams.get("script"));
    response.writeHead(body ? 200 : 404, { "content-type": TYPES[extname(path)] ?? "text/html" }).end(body);
  });
  // Forwards the WebSocket, as a proxy does.
  pages.on("upgrade", (request, socket) => {
    const to = connect(Number(new URL(url).port), "127.0.0.1");
    const lines = request.rawHeaders.map((part, index) => (index % 2 ? `${part}\r\n` : `${part}: `));
    to.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    socket.pipe(to).pipe(socket);
    for (const end of [socket, to]) end.on("error", () => socket.destroy());
  });
  await once(pages.listen(0, "127.0.0.1"), "listening");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  pages?.closeAllConnections();
  pages?.close();
  server?.kill();
});

async function publish(event, payload) {
  const body = JSON.stringify({ event: { domain: "helpdesk", event, payload } });
  const response = await fetch(`${url}/v1/publish`, { method: "POST", body });
  return [response.status, await response.json()];
}

/** Opens the guide's page, or one of another script, and collects its errors. */
async function open(script) {
  const page = await browser.newPage();
  const faults = [];
  const told = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => told.push(message.text()));
  const query = new URLSearchParams({ ticket: TICKET, ...(script && { script }) });
  await page.goto(`http://127.0.0.1:${pages.address().port}/?${query}`);
  const shows = (text) =>
    page.waitForFunction((text) => document.querySelector("#log").innerText.includes(text), {}, text);
  return { page, faults, told, shows };
}

test("a ticket's events arrive typed in the browser, and another event is refused", async () => {
  assert.ok(GUIDE, "GUIDE_DIST names no page: `cargo xtask test own-domain` does");
  const { page, faults, told, shows } = await open();
  await shows("ready");

  const [status, answer] = await publish("opened", { uuid: TICKET, queue: "billing" });
  assert.equal(status, 200);
  assert.deepEqual(answer.topics, ["helpdesk:queue:billing", `helpdesk:ticket:${TICKET}`]);
  await shows("opened in billing");
  await publish("replied", { uuid: TICKET, author: "Zoë", internal: true });
  await shows("Zoë replied internally");

  const [refused, problem] = await publish("replied", { uuid: TICKET, author: "Zoë" });
  assert.equal(refused, 422);
  assert.equal(problem.code, "invalid_event");
  const log = await page.$eval("#log", (list) => list.innerText);
  assert.ok(!log.includes("untyped"), log);

  // The core also checks an event before it is sent.
  const code = await page.evaluate(async (uuid) => {
    const event = { domain: "helpdesk", event: "replied", payload: { uuid, author: 7, internal: true } };
    return globalThis.client.publish(event).catch((error) => error.code);
  }, TICKET);
  assert.equal(code, "invalid_event");

  // The server has more domains than this core, and the console shows no message about it.
  assert.deepEqual(
    told.filter((text) => text.includes("tidings")),
    [],
  );
  assert.deepEqual(faults, []);
});

for (const script of ["webpack/app", "webpack/by-address", "vite/by-address", "esbuild/by-address"]) {
  test(`the core is loaded and decodes in the page of ${script}`, async () => {
    const { page, faults, shows } = await open(script);
    await shows("ready");
    await publish("opened", { uuid: TICKET, queue: "billing" });
    await shows("opened in billing");
    const log = await page.$eval("#log", (list) => list.innerText);
    assert.ok(!log.includes("untyped"), log);
    assert.deepEqual(faults, []);
    await page.close();
  });
}
