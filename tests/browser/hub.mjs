// The real server, a relay in front of it, and a session that delays its drain.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Child } from "./child.mjs";

/** A `tidings serve`, for development unless `access` says who may do what. */
export class Hub {
  static async start(port, flags, access = ["--dev"]) {
    const binary = process.env.TIDINGS_BIN;
    if (!binary)
      throw new Error("TIDINGS_BIN is not set: run the tests by `cargo xtask test`, which builds the server");
    const args = ["serve", ...access, "--listen", `127.0.0.1:${port}`, ...flags];
    return new Hub(await Child.start("the server", binary, args));
  }

  constructor(child) {
    this.child = child;
    this.url = child.url;
  }

  end(signal) {
    return this.child.end(signal);
  }

  async publish(topic, number) {
    const event = { domain: topic, event: "ticked", payload: { number } };
    const body = JSON.stringify({ event, topics: [topic] });
    const answer = await fetch(`${this.url}/v1/publish`, { method: "POST", body });
    if (!answer.ok) throw new Error(`publish: ${answer.status} ${await answer.text()}`);
  }
}

/** Opens a session that answers nothing, not even a Close, until it is destroyed. */
export async function stuck(url) {
  const { hostname, port } = new URL(url);
  const socket = connect(port, hostname);
  await once(socket, "connect");
  const head = ["GET /v1/ws HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"];
  head.push("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "");
  socket.write(head.join("\r\n"));
  const hello = Buffer.from('{"op":"hello"}');
  // Masked with zeros.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | hello.length, 0, 0, 0, 0]), hello]));
  // The server may reset it.
  socket.on("error", () => {});
  await new Promise((resolve) => {
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk.toString("latin1");
      if (said.includes("welcome")) resolve();
    });
  });
  socket.pause();
  return socket;
}

/** Forwards connections to a server until the test cuts them. */
export class Relay {
  /** Whether new connections are reset. */
  refuses = false;

  static async start(url) {
    const { hostname, port } = new URL(url);
    const sockets = new Set();
    const server = createServer((client) => {
      if (relay.refuses) return client.resetAndDestroy();
      const upstream = connect(port, hostname);
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ]) {
        sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          sockets.delete(one);
          other.destroy();
        });
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const relay = new Relay(server, sockets);
    return relay;
  }

  constructor(server, sockets) {
    this.server = server;
    this.sockets = sockets;
    this.url = `http://127.0.0.1:${server.address().port}`;
  }

  /** Resets every connection. */
  cut() {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Keeps every present connection open and forwards nothing more on it, as a network that has gone. */
  stall() {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  /** How many connections are open. Each has a socket on both sides. */
  get connections() {
    return Math.ceil(this.sockets.size / 2);
  }

  async stop() {
    const closed = once(this.server, "close");
    this.server.close();
    this.cut();
    await closed;
  }
}
