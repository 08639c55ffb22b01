// The WebSocket that opens while the core is loaded.

import type { Surroundings } from "./surroundings.js";

/** The subprotocol that the core will ask for. If it asks for another, the early WebSocket is not used. */
const PROTOCOL = "tidings.v1.json";

/**
 * Milliseconds that an early WebSocket waits for the core. The server waits 5 s for the first frame, which the core sends.
 * After this time the WebSocket is closed, and the core opens another.
 */
const PATIENCE_MS = 3_000;

/**
 * A WebSocket that opens while the core is loaded, so that both wait for the network at the same time. It sends nothing, so
 * the server has no session for it.
 */
export class EarlySocket {
  #surroundings: Surroundings;
  #socket: WebSocket | undefined;
  #url = "";
  /** What has happened to it: it opened, failed, or was closed. */
  #past: (() => void)[] = [];
  #timer: unknown;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  open(url: string): void {
    let socket: WebSocket;
    try {
      socket = this.#surroundings.open(url, PROTOCOL);
    } catch {
      // The core will try, too, and report it.
      return;
    }
    this.#past = [];
    // `socket.onopen` is the driver's by then.
    socket.onopen = (event) => this.#past.push(() => socket.onopen?.(event));
    socket.onerror = (event) => this.#past.push(() => socket.onerror?.(event));
    socket.onclose = (event) => this.#past.push(() => socket.onclose?.(event));
    // No server speaks first.
    socket.onmessage = () => this.close();
    this.#socket = socket;
    this.#url = url;
    this.closeAfter(PATIENCE_MS);
  }

  /**
   * Returns the WebSocket, if it is the one that the core asks for. The caller sets its handlers, which soon hear what has
   * happened before.
   */
  take(url: string, protocol: string): WebSocket | undefined {
    const socket = this.#socket;
    if (!socket || url !== this.#url || protocol !== PROTOCOL) return undefined;
    this.#forget();
    // Not before the core knows that it has a WebSocket.
    queueMicrotask(() => {
      for (const happen of this.#past) happen();
    });
    return socket;
  }

  closeAfter(ms: number): void {
    const { setTimeout, clearTimeout } = this.#surroundings;
    clearTimeout(this.#timer);
    if (this.#socket) this.#timer = setTimeout(() => this.close(), ms);
  }

  close(): void {
    const socket = this.#socket;
    this.#forget();
    // Its handlers stay. With the package `ws`, an error without a handler ends the process.
    socket?.close();
  }

  #forget(): void {
    this.#socket = undefined;
    this.#surroundings.clearTimeout(this.#timer);
  }
}
