// A domain of the user, end to end: its server, its page in a real browser, events that are checked.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { createClient } from "tidings";
import { WebSocket } from "ws";
import { launch } from "./browser.mjs";
import { module } from "./typescript.mjs";

// Node.js has a WebSocket since version 22.
globalThis.WebSocket ??= WebSocket;

// The guide's page as Vite built it. `cargo xtask test own-domain` sets this.
const GUIDE = process.env.GUIDE_DIST;
const TICKET = "0198c0de-0000-7000-8000-000000000001";
const AGENT = "0198c0de-0000-7000-8000-00000000000a";
const TYPES = { ".js": "text/javascript", ".html": "text/html" };

let server;
let url;
let pages;
let browser;

before(async () => {
  server = spawn(process.env.HELPDESK_SERVER, ["serve", "--dev", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = await once(createInterface(server.stdout), "line");
  url = line.replace("listening on ", "");
  pages = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    const path = pathname === "/" ? "/index.html" : normalize(pathname);
    const body = await readFile(join(GUIDE, path)).catch(() => {});
    response.writeHead(body ? 200 : 404, { "content-type": TYPES[extname(path)] ?? "text/plain" }).end(body);
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

/** Opens the guide's page, and collects its errors and what the console shows. */
async function open() {
  assert.ok(GUIDE, "GUIDE_DIST names no page: `cargo xtask test own-domain` does");
  const page = await browser.newPage();
  const faults = [];
  const told = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => told.push(message.text()));
  await page.goto(`http://127.0.0.1:${pages.address().port}/?ticket=${TICKET}`);
  const shows = (text) =>
    page.waitForFunction((text) => document.querySelector("#log").innerText.includes(text), {}, text);
  return { page, faults, told, shows };
}

test("a ticket's events arrive typed in the browser, and another event is refused", async () => {
  const { faults, told, shows } = await open();
  await shows("ready");

  const ticket = { uuid: TICKET, queue: "billing", priority: 254, tags: ["invoice", "urgent"] };
  const [status, answer] = await publish("opened", ticket);
  assert.equal(status, 200);
  assert.deepEqual(answer.topics, ["helpdesk:queue:billing", `helpdesk:ticket:${TICKET}`]);
  await shows("opened in billing: priority 255, invoice and urgent, nobody");
  const [, assigned] = await publish("closed", { ...ticket, tags: [], assignee: AGENT });
  assert.deepEqual(assigned.topics.at(-1), `helpdesk:agent:${AGENT}`);
  await shows(`closed in billing: priority 255, , ${AGENT}`);
  const reply = { uuid: TICKET, author: "Zoë", audience: "agents", hours: 1.25 };
  await publish("replied", reply);
  await shows("Zoë replied to the agents after 1.3 hours");
  await publish("replied", { ...reply, hours: null, audience: "customer" });
  await shows("Zoë replied to the customer after some hours");

  for (const [event, payload, fault] of [
    ["opened", { ...ticket, priority: 256 }, "`priority`: expected a whole number from 0 to 255, found 256"],
    ["opened", { ...ticket, tags: ["a", 7] }, "`tags[1]`: expected a string, found 7"],
    ["replied", { ...reply, audience: "all" }, '`audience`: expected one of customer, agents, found "all"'],
  ]) {
    const [refused, problem] = await publish(event, payload);
    assert.deepEqual([refused, problem.code], [422, "invalid_event"]);
    assert.ok(problem.detail.includes(fault), problem.detail);
  }

  // The server has more domains than this page, and the console shows no message about it.
  assert.deepEqual(
    told.filter((text) => text.includes("tidings")),
    [],
  );
  assert.deepEqual(faults, []);
});

test("the console says once that the server has another form of the domain", async (t) => {
  const { helpdesk } = await module(new URL("./src/helpdesk.ts", import.meta.url));
  const info = t.mock.method(console, "info", () => {});
  for (const [fingerprint, count] of [
    [helpdesk.fingerprint, 0],
    ["0000000000000000", 1],
  ]) {
    const client = createClient({ url: `${url}/v1/ws`, domains: [{ ...helpdesk, fingerprint }] });
    t.after(() => client.close());
    await client.subscribe(helpdesk.topics.queue("billing"), () => {}).ready;
    assert.equal(info.mock.callCount(), count);
  }
  assert.match(info.mock.calls[0].arguments[0], /another form of the domain `helpdesk`/);
});
