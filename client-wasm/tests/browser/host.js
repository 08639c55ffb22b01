// A host that records its calls, and functions that act on its socket like a network or a server.

/** Milliseconds after which a wait fails. So a test fails by itself and says why. */
const PATIENCE_MS = 10_000;

/** All sockets, the newest last. */
const sockets = [];
const Native = globalThis.WebSocket;
globalThis.WebSocket = class extends Native {
  constructor(...args) {
    super(...args);
    sockets.push(this);
  }
};

/** Gives the newest socket a message that the server did not send. */
export function forge(text) {
  sockets.at(-1).onmessage(new MessageEvent("message", { data: text }));
}

export class TestHost {
  heard = [];
  waiting = [];
  /** As `driver.ts` of the npm package, but the core delivers all events. `tell` calls the core's method of this name. */
  connect(connection, url, protocol) {
    const socket = new WebSocket(url, protocol);
    socket.onopen = () => this.tell("opened", connection);
    socket.onerror = () => this.tell("failed", connection);
    socket.onclose = ({ code }) => this.tell("closed", connection, code);
    socket.onmessage = ({ data }) => {
      let frame = data;
      try {
        frame = JSON.parse(data);
      } catch {
        // The core says what is wrong.
      }
      this.tell("message", connection, frame);
    };
    return socket;
  }

  setTimer(ms) {
    clearTimeout(this.timer);
    this.timer = ms === undefined ? ms : setTimeout(() => this.tell("timeout", 0), ms);
  }

  hold() {}

  unknownDomain() {}

  /** Waits for the next call of this kind, and returns it as JSON text. */
  next(kind) {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`no ${kind} in time; heard ${JSON.stringify(this.heard)}`));
      const timer = setTimeout(fail, PATIENCE_MS);
      this.waiting.push({ kind, resolve: (text) => (clearTimeout(timer), resolve(text)) });
      this.serve();
    });
  }

  /** Counts the calls of this kind that no `next` has returned. */
  count(kind) {
    return this.heard.filter((heard) => heard.kind === kind).length;
  }

  /** Calls this function during the next call of `event`. */
  onEvent(callback) {
    this.callback = callback;
  }

  hear(kind, members) {
    this.heard.push({ kind, ...members });
    this.serve();
  }

  serve() {
    this.waiting = this.waiting.filter(({ kind, resolve }) => {
      const index = this.heard.findIndex((heard) => heard.kind === kind);
      if (index >= 0) resolve(JSON.stringify(this.heard.splice(index, 1)[0]));
      return index < 0;
    });
  }

  token(connection) {
    this.hear("token", { connection });
  }
  status(status) {
    this.hear("status", { status });
  }
  ready(id) {
    this.hear("ready", { id });
  }
  resumed(id) {
    this.hear("resumed", { id });
  }
  load(id, load) {
    this.hear("load", { id, load });
  }
  event(id, { event, ...meta }, decoded) {
    this.hear("event", { id, event, meta: { ...meta, decoded } });
    const { callback } = this;
    this.callback = undefined;
    callback?.();
  }
  sync(id, sync) {
    this.hear("sync", { id, sync });
  }
  malformed(id, error) {
    this.hear("malformed", { id, error });
  }
  failed(id, error) {
    this.hear("failed", { id, error });
  }
  published(id, answer) {
    this.hear("published", { id, answer });
  }
  publishFailed(id, error) {
    this.hear("publishFailed", { id, error });
  }
  error(error) {
    this.hear("error", { error });
  }
  otherDomain(domain) {
    this.hear("otherDomain", { domain });
  }
}
