// The application of the tests: the page, a store, and a backend that gives tokens.

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const DIST = new URL("dist/", import.meta.url);
const TYPES = { js: "text/javascript", wasm: "application/wasm" };
const PAGE =
  '<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>App</title><script type=module src="/page.js"></script>';

/** Policies of a page, by its path. */
const POLICIES = {
  "/no-wasm": "script-src 'self'",
  "/no-connection": "connect-src 'self'",
};

/** Serves the page and the store, and counts. */
export class Site {
  /** The store. Tests change it, then publish. */
  store = [];
  /** The number of each person's row, and how often the rows were loaded. */
  rows = {};
  rowLoads = 0;
  /** The status of the next answers with the store. */
  status = 200;
  /** Returns the next token. */
  token = () => "";
  tokens = 0;
  /** The beginning of the path of a file that is answered with 503. */
  missing;

  static async start() {
    const site = new Site();
    const server = createServer((request, response) => site.#answer(request, response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    site.server = server;
    site.url = `http://127.0.0.1:${server.address().port}`;
    return site;
  }

  async #answer({ url, method }, response) {
    const { pathname } = new URL(url, "http://site");
    const file = /^\/([\w-]+\.(js|wasm))$/.exec(pathname);
    const row = /^\/row\/(.+)$/.exec(pathname)?.[1];
    const send = (status, type, body) =>
      // Not `no-store`: it keeps a page out of the cache for the way back.
      response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-cache" }).end(body);
    if (POLICIES[pathname]) response.setHeader("Content-Security-Policy", POLICIES[pathname]);
    if (pathname === "/store") send(this.status, "application/json", JSON.stringify(this.store));
    else if (row) {
      this.rowLoads++;
      send(200, "application/json", JSON.stringify(this.rows[row]));
    } else if (pathname === "/token" && method === "POST") {
      this.tokens++;
      send(200, "text/plain", this.token());
    } else if (this.missing && pathname.startsWith(this.missing)) send(503, "text/plain", "");
    else if (file) send(200, TYPES[file[2]], await readFile(new URL(file[1], DIST)));
    else send(200, "text/html", PAGE);
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** Returns a token (a JWT, HS256). */
export function sign(key, seconds, rights) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "anna", tenant: "acme", exp: Date.now() / 1000 + seconds, ...rights };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
}
