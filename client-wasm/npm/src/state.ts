// The status and the last error of a client, and their listeners.

import { expect, expectOptions } from "./arguments.js";
import { call, print, TidingsError } from "./errors.js";
import type { ListenOptions, Status } from "./types.js";

/** The listeners of a client, by their type. */
export interface Listeners {
  status: (status: Status) => void;
  error: (error: TidingsError) => void;
}

/** The status and the last error of a client, and the listeners of both. */
export class ClientState {
  status: Status = "idle";
  lastError: TidingsError | undefined;
  /** How often the connection was lost or closed. */
  connection = 0;
  /** The user called `close()`. */
  isClosedByUser = false;
  #listeners = { status: new Set<Listeners["status"]>(), error: new Set<Listeners["error"]>() };

  on<K extends keyof Listeners>(type: K, listener: Listeners[K], options: ListenOptions): () => void {
    const listeners = this.#listeners[type] as Set<Listeners[K]> | undefined;
    if (!listeners)
      throw new TypeError(`on(type, listener): \`type\` must be "status" or "error", but is ${String(type)}`);
    expect("function", "on(type, listener)", { listener });
    expectOptions("on(type, listener, options)", options);
    const { signal } = options;
    const off = () => {
      listeners.delete(listener);
      signal?.removeEventListener("abort", off);
    };
    if (!signal?.aborted) {
      listeners.add(listener);
      signal?.addEventListener("abort", off);
    }
    return off;
  }

  /** Sets the status and tells it. After `closed` it stays `closed`. */
  setStatus(status: Status): void {
    if (this.status === status || this.status === "closed") return;
    this.status = status;
    if (status === "open") this.lastError = undefined;
    else if (status !== "degraded") this.connection++;
    for (const listener of [...this.#listeners.status]) call(listener, status);
  }

  /** Tells an error of the connection. The console does not repeat the error that it showed last. */
  connectionError(error: TidingsError): void {
    const { code, message } = this.lastError ?? {};
    this.lastError = error;
    this.error(error, code === error.code && message === error.message);
  }

  /** Tells an error. The console shows it if there is no listener. */
  error(error: TidingsError, isRepeated = false): void {
    const listeners = [...this.#listeners.error];
    if (!listeners.length && !isRepeated) print(error);
    for (const listener of listeners) call(listener, error);
  }

  /** The error of each call after the client was closed. */
  closedError(): TidingsError {
    const cause = this.isClosedByUser ? undefined : this.lastError;
    const message = cause
      ? `The client was closed by an error: ${cause.code}: ${cause.message}`
      : "The client is closed.";
    return new TidingsError({ code: "closed", message }, { cause });
  }
}
