// What a client uses of the page or process that it runs in. The clients of `tidings/testing` have other surroundings.

import { TidingsError } from "./errors.js";
import { watchPage } from "./page.js";
import { watchSockets } from "./process.js";

/** WebSockets, timers, and the life of the page. */
export interface Surroundings {
  /** Whether a WebSocket may open while the core is loaded. */
  readonly opensEarly: boolean;
  /** Opens a WebSocket, or an object that behaves like one. Throws if the address is refused. */
  open(url: string, protocol: string): WebSocket;
  setTimeout(handler: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
  /** Throws if there is no WebSocket. */
  check(): void;
  /** Tells when the page wakes (`true`) and when it goes to sleep (`false`), until the signal is aborted. */
  watchPage(tell: (isAwake: boolean) => void, signal: AbortSignal): void;
}

/** The page, worker or process that this runs in. */
export const here: Surroundings = {
  check() {
    watchSockets();
    if (typeof WebSocket !== "undefined") return;
    const message = "This environment has no WebSocket.";
    throw new TidingsError({ code: "websocket_unavailable", message });
  },
  opensEarly: true,
  open: (url, protocol) => new WebSocket(url, protocol),
  setTimeout: (handler, ms) => setTimeout(handler, ms),
  clearTimeout: (handle) => clearTimeout(handle as number),
  watchPage,
};
