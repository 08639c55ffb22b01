// WebSockets that are not a browser's, and attempts that fail.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { createClient } from "tidings";
import { FakeWebSocket, sockets, useFake } from "./fake.js";

/** Milliseconds after which a test has hung. */
const timeout = 20_000;

/** A URL at which no server listens. */
async function nowhere() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/v1/ws`;
}

/** A WebSocket class whose attempts fail in this way. */
function useFailing(t, fail) {
  useFake(t);
  const failing = { now: true };
  globalThis.WebSocket = class extends FakeWebSocket {
    constructor(...args) {
      super(...args);
      if (!failing.now) return;
      this.readyState = 3;
      queueMicrotask(() => fail(this));
    }
  };
  return failing;
}

const error = (socket) => socket.onerror?.({ target: socket });
const close = (socket) => socket.onclose?.({ target: socket, code: 1006 });

const both = (socket) => {
  error(socket);
  close(socket);
};

const first = (client) => new Promise((resolve) => client.on("error", resolve));

test("an attempt that ends with an error but no close is over, and one with both counts once", {
  timeout,
}, async (t) => {
  for (const fail of [error, both]) {
    useFailing(t, fail);
    const client = createClient({ url: "http://127.0.0.1:1/v1/ws" });
    t.after(() => client.close());
    const told = first(client);
    const begun = performance.now();
    client.subscribe("staff:people", () => {});
    assert.equal((await told).code, "connect_failed");
    assert.equal(sockets.length, 3);
    assert.ok(performance.now() - begun < 9_000, "the time in which a server may be silent was waited out");
    client.close();
  }
});

test("a failed attempt of the WebSocket of Node.js costs no time", {
  timeout,
  skip: typeof WebSocket === "undefined" && "this Node.js has no WebSocket",
}, async (t) => {
  const client = createClient({ url: await nowhere() });
  t.after(() => client.close());
  const told = first(client);
  const begun = performance.now();
  client.subscribe("staff:people", () => {});
  assert.equal((await told).code, "connect_failed");
  assert.ok(performance.now() - begun < 9_000, "the time in which a server may be silent was waited out");
});

test("with the package `ws` as WebSocket, a lost server does not end the process", {
  timeout,
}, async () => {
  const script = `
    import { WebSocket, WebSocketServer } from "ws";
    import { createClient } from "tidings";
    import { answer } from "./test/fake.js";
    globalThis.WebSocket = WebSocket;
    function serve(port) {
      const server = new WebSocketServer({ host: "127.0.0.1", port });
      server.on("connection", (socket) => {
        const receive = (frame) => socket.send(JSON.stringify(frame));
        socket.on("message", (text) => answer({ receive }, JSON.parse(text)));
      });
      return new Promise((resolve) => server.on("listening", () => resolve(server)));
    }
    const server = await serve(0);
    const { port } = server.address();
    const client = createClient({ url: \`http://127.0.0.1:\${port}/v1/ws\` });
    const changed = () => new Promise((resolve) => client.on("status", resolve));
    await client.subscribe("staff:people", () => {}).ready;
    for (const socket of server.clients) socket.terminate();
    server.close();
    const lost = [await changed(), await changed(), await changed()];
    await serve(port);
    while (client.status !== "open") await changed();
    client.close();
    // Closed while it connects, which is an error for \`ws\`.
    const late = createClient({ url: \`http://127.0.0.1:\${port}/v1/ws\` });
    globalThis.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args);
        queueMicrotask(() => late.close());
        this.on("close", () => {
          console.log(lost.join());
          process.exit();
        });
      }
    };
    late.subscribe("staff:people", () => {});
  `;
  const root = new URL("..", import.meta.url);
  const arguments_ = ["--input-type=module", "--eval", script];
  const { stdout } = await promisify(execFile)(process.execPath, arguments_, { cwd: root });
  assert.equal(stdout, "reconnecting,connecting,reconnecting\n");
});
