import { expect, expectOptions, named } from "./arguments.js";
import { TidingsError } from "./errors.js";
import { eventText } from "./event-text.js";
import type { Origin } from "./origin.js";
import type { Published, PublishOptions } from "./types.js";
import { uuid7 } from "./uuid.js";

/** Publishes that wait for the core, at most; as many as the core then holds. */
const MAX_PUBLISHES = 256;

/** A publish, independent of the core that sends it. */
export interface Pending {
  event: string;
  topics: readonly string[] | undefined;
  key: string;
  origin: string | undefined;
  id: number | undefined;
  settle(error: unknown, answer?: Published): void;
  /** What its publisher was given. */
  promise?: Promise<Published>;
}

/** The publishes of a client that wait for their answer. */
export class Publishes {
  #origin: Origin;
  #send: (pending: Pending) => void;
  #cancel: (id: number) => void;
  /** All that wait, in their order. */
  readonly waiting = new Set<Pending>();
  #byId = new Map<number, Pending>();

  constructor(origin: Origin, send: (pending: Pending) => void, cancel: (id: number) => void) {
    this.#origin = origin;
    this.#send = send;
    this.#cancel = cancel;
  }

  /** Sends an event, unless `check` throws. */
  add(event: unknown, options: PublishOptions, check: () => void): Promise<Published> {
    let added: Pending | undefined;
    const promise = new Promise<Published>((resolve, reject) => {
      check();
      expectOptions("publish(event, options)", options);
      const { topics, key, origin, signal } = options;
      signal?.throwIfAborted();
      const texts = { ...(key !== undefined && { key }), ...(origin !== undefined && { origin }) };
      expect("string", "publish(event, options)", texts);
      const abort = () => {
        if (pending.id !== undefined) this.#cancel(pending.id);
        pending.settle(signal?.reason);
      };
      const pending: Pending = {
        // As text, so that what the caller changes afterwards is not published.
        event: eventText(event),
        topics: topics === undefined ? topics : named(topics),
        key: key ?? uuid7(),
        origin: origin ?? this.#origin.next(),
        id: undefined,
        settle: (error, answer) => {
          this.waiting.delete(pending);
          if (pending.id !== undefined) this.#byId.delete(pending.id);
          signal?.removeEventListener("abort", abort);
          if (answer) resolve(answer);
          else reject(error);
        },
      };
      if (this.waiting.size >= MAX_PUBLISHES) {
        const message = "Too many publishes wait for an answer.";
        throw new TidingsError({ code: "offline_full", message, retryable: true });
      }
      signal?.addEventListener("abort", abort);
      this.waiting.add(pending);
      added = pending;
      this.#send(pending);
    });
    if (added) added.promise = promise;
    return promise;
  }

  /** The core has this one, under its number. */
  sent(pending: Pending): void {
    if (pending.id !== undefined) this.#byId.set(pending.id, pending);
  }

  of(id: number): Pending | undefined {
    return this.#byId.get(id);
  }

  /** The core is gone. */
  orphaned(): void {
    this.#byId.clear();
    for (const pending of this.waiting) pending.id = undefined;
  }

  /** Its client was closed on purpose: who does not wait for a publish need not catch that. */
  closed(error: unknown): void {
    for (const pending of this.waiting) {
      pending.promise?.catch(() => {});
      pending.settle(error);
    }
  }
}
