// A WebSocket within one process: one end is an object for the client, the other a session of the test hub.

import { Session, type Shared } from "./testing-session.js";
import { frames } from "./testing-turn.js";

/** Frames on their way to one client. Beyond it the hub closes the connection with 4410, as a server does. */
const MAX_QUEUED = 10_000;

/** The hub's view of its sockets. */
export interface Network extends Shared {
  readonly sockets: Set<TestSocket>;
  /** Counts what has happened, so that `settled` sees when nothing more does. */
  happened(): void;
  /** The client knows that the hub closed its connection. */
  lost(): void;
}

type Listener = ((event: { target: unknown; code?: number; data?: string }) => void) | null | undefined;

/** Something on its way to the client. */
interface Delivery {
  isDue: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
  arrive(): void;
}

/** Behaves as a `WebSocket`, as far as the core uses one. */
export class TestSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly url: string;
  readonly protocol: string;
  readyState: number = TestSocket.CONNECTING;
  onopen: Listener;
  onmessage: Listener;
  onerror: Listener;
  onclose: Listener;
  #network: Network;
  #session: Session;
  #queue: Delivery[] = [];

  constructor(network: Network, url: string | URL, protocol: string | string[] = "") {
    this.url = String(url);
    this.protocol = String(protocol);
    this.#network = network;
    this.#session = new Session(network, {
      send: (frame) => this.#put(() => this.onmessage?.({ target: this, data: JSON.stringify(frame) })),
      flush: () => this.#arrive(),
      close: (code) => this.#put(() => this.#closed(code)),
    });
    network.sockets.add(this);
    this.#soon(() => {
      if (this.readyState !== TestSocket.CONNECTING) return;
      if (network.rules.isAway) {
        this.onerror?.({ target: this });
        this.#closed(ABNORMAL);
      } else {
        this.readyState = TestSocket.OPEN;
        this.onopen?.({ target: this });
      }
    });
  }

  get session(): Session {
    return this.#session;
  }

  /** The client sends a message. */
  send(text: string): void {
    if (this.readyState === TestSocket.CONNECTING) throw new Error("The test socket is not open yet.");
    this.#soon(() => {
      if (this.readyState === TestSocket.OPEN) this.#session.handle(text);
    });
  }

  /** The client closes the connection. */
  close(code = 1000): void {
    if (this.readyState >= TestSocket.CLOSING) return;
    this.readyState = TestSocket.CLOSING;
    this.#leave();
    this.#soon(() => this.#closed(code));
  }

  /** Cuts the connection. What was on its way is lost. */
  cut(): void {
    if (this.readyState >= TestSocket.CLOSING) return;
    this.readyState = TestSocket.CLOSING;
    this.#leave();
    this.#soon(() => this.#closed(ABNORMAL));
  }

  #closed(code: number): void {
    if (this.readyState === TestSocket.CLOSED) return;
    this.readyState = TestSocket.CLOSED;
    this.#leave();
    this.onclose?.({ target: this, code });
    this.#network.lost();
  }

  #leave(): void {
    this.#session.left();
    for (const { timer } of this.#queue) clearTimeout(timer);
    this.#queue = [];
    this.#network.sockets.delete(this);
  }

  /** Puts something on its way to the client. Everything arrives in order. */
  #put(arrive: () => void): void {
    if (this.#queue.length >= MAX_QUEUED) {
      this.#leave();
      this.#soon(() => this.#closed(SLOW_CONSUMER));
      return;
    }
    const { lag } = this.#network.rules;
    const delivery: Delivery = { isDue: lag === 0, timer: undefined, arrive };
    this.#queue.push(delivery);
    if (delivery.isDue) this.#soon(() => this.#arrive());
    else
      delivery.timer = setTimeout(() => {
        delivery.isDue = true;
        this.#arrive();
      }, lag);
  }

  #arrive(): void {
    // What a handler causes comes later: it has a turn of its own.
    for (let left = this.#queue.length; left > 0 && this.#queue[0]?.isDue; left--) {
      this.#network.happened();
      this.#queue.shift()?.arrive();
    }
  }

  #soon(then: () => void): void {
    frames.run(() => {
      this.#network.happened();
      then();
    });
  }
}

/** The connection is lost without a close of the other end. */
const ABNORMAL = 1006;

const SLOW_CONSUMER = 4410;
