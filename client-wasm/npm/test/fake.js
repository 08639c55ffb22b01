// A fake WebSocket. The test plays the server behind it.

/** The sockets that were opened, the newest last. */
export const sockets = [];

/** The function that answers a frame. A test may replace it. */
export const server = { answer: undefined };

const at = (position) => `000000000abc.${position}.0000001f`;

export class FakeWebSocket {
  static CLOSING = 2;
  readyState = 0;
  sent = [];

  constructor(url, protocol) {
    this.url = url;
    this.protocol = protocol;
    sockets.push(this);
    queueMicrotask(() => {
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.onopen?.({ target: this });
    });
  }

  send(text) {
    const frame = JSON.parse(text);
    this.sent.push(frame);
    queueMicrotask(() => (server.answer ?? answer)(this, frame));
  }

  close() {
    if (this.readyState >= 2) return;
    this.readyState = 3;
    queueMicrotask(() => this.onclose?.({ target: this, code: 1000 }));
  }

  /** The server sends a frame. */
  receive(frame) {
    this.onmessage?.({ target: this, data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  /** The connection is lost. */
  drop(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ target: this, code });
  }

  event(topics, payload, { event = "person_updated", domain = "staff", position = 8, origin } = {}) {
    const key = crypto.randomUUID();
    this.receive({
      op: "event",
      position: at(position),
      key,
      at: 1,
      topics,
      origin,
      event: { domain, event, payload },
    });
  }
}

/** Answers as a server that allows everything. */
export function answer(socket, frame) {
  switch (frame.op) {
    case "hello":
      socket.receive({
        op: "welcome",
        session: "s",
        tenant: "dev",
        position: at(7),
        heartbeat_ms: 25_000,
        limits: {
          max_message_bytes: 65_536,
          max_topics_per_session: 1_024,
          max_topics_per_frame: 128,
          frames_per_second: 100,
        },
      });
      break;
    case "subscribe":
      socket.receive({
        op: "subscribed",
        ref: frame.ref,
        position: at(7),
        topics: frame.topics.map((topic) => ({ topic, outcome: frame.since ? "resumed" : "live" })),
      });
      break;
    case "unsubscribe":
      socket.receive({ op: "unsubscribed", ref: frame.ref, topics: frame.topics });
      break;
    case "publish":
      socket.receive({
        op: "published",
        ref: frame.ref,
        key: frame.key,
        position: at(9),
        topics: ["staff:people"],
      });
      break;
  }
}

/** Replaces the real WebSocket by the fake until the test is over. */
export function useFake(t) {
  const real = globalThis.WebSocket;
  globalThis.WebSocket = FakeWebSocket;
  server.answer = undefined;
  sockets.length = 0;
  t.after(() => {
    globalThis.WebSocket = real;
  });
}

/** The newest socket. */
export const socket = () => sockets.at(-1);

/** Resolves when the core and the fake have handled everything. */
export const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
