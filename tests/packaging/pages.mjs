// Serves built pages, and looks at a page in a browser.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** The strictest policy that the package works with. */
const POLICY =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws:; img-src data:";

/** How long to wait for a page. A development server builds it only now. */
const PATIENCE_MS = 100_000;

/** A page that loads one script. `imports` are those of an import map. */
export function html(script, imports) {
  const map = imports ? `<script type="importmap">${JSON.stringify({ imports })}</script>` : "";
  const head = `<link rel="icon" href="data:," />${map}`;
  return `<!doctype html>${head}<p id="said"></p><script type="module" src="${script}"></script>`;
}

/** Serves the files of these folders until the test ends, and returns the address. */
export async function serve(t, ...folders) {
  const server = createServer(async ({ url }, response) => {
    const path = normalize(new URL(url, "http://localhost").pathname);
    for (const folder of folders) {
      const body = await readFile(join(folder, path)).catch(() => undefined);
      if (!body) continue;
      const type = { "content-type": TYPES[extname(path)] };
      // An import map is a script in the page.
      const policy = body.includes("importmap") ? {} : { "content-security-policy": POLICY };
      return response.writeHead(200, { ...type, ...policy }).end(body);
    }
    response.writeHead(404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Opens a page, waits until it is ready, publishes, and waits until the page shows the event. Returns its scripts. */
export async function showsEvent(browser, hub, address) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const faults = [];
  const scripts = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && faults.push(message.text()));
  page.on("response", (response) => {
    if (response.request().resourceType() === "script") scripts.push(response.text());
  });
  // Other tests publish too.
  const says = (wanted) =>
    page
      .waitForFunction((text) => document.querySelector("#said")?.textContent.includes(text), {}, wanted)
      .catch(async (cause) => {
        const said = await page.$eval("body", (body) => body.innerText).catch(String);
        throw new Error(`${address} shows ${JSON.stringify(said)} and not "${wanted}": ${faults}`, { cause });
      });
  await page.goto(`${address}?server=${hub.url}`);
  await says("ready");
  const uuid = randomUUID();
  const event = { domain: "staff", event: "person_updated", payload: { uuid } };
  const answer = await fetch(`${hub.url}/v1/publish`, { method: "POST", body: JSON.stringify({ event }) });
  assert.equal(answer.status, 200, await answer.text());
  await says(uuid);
  const texts = await Promise.all(scripts);
  await page.close();
  assert.deepEqual(faults, []);
  return texts;
}
