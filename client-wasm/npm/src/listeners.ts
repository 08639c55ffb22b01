import { expect, expectOptions } from "./arguments.js";
import { call, print, type TidingsError } from "./errors.js";
import type { ListenOptions, Status } from "./types.js";

/** What each listener is called with. */
export interface Listeners {
  status: (status: Status) => void;
  error: (error: TidingsError) => void;
}

/** Those who listen to a client. */
export class Audience {
  #listeners = { status: new Set<Listeners["status"]>(), error: new Set<Listeners["error"]>() };

  on<K extends keyof Listeners>(type: K, listener: Listeners[K], options: ListenOptions): () => void {
    const listeners = this.#listeners[type] as Set<Listeners[K]> | undefined;
    if (!listeners)
      throw new TypeError(`on(type, listener): \`type\` is "status" or "error", and not ${String(type)}`);
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

  status(status: Status): void {
    for (const listener of [...this.#listeners.status]) call(listener, status);
  }

  /** `isRepeated`: the console has it already. */
  error(error: TidingsError, isRepeated = false): void {
    const listeners = [...this.#listeners.error];
    if (!listeners.length && !isRepeated) print(error);
    for (const listener of listeners) call(listener, error);
  }
}
