// The publishes that wait for their answer.

import { expectOptional, expectOptions, named } from "./arguments.js";
import { type Ask, Asks } from "./asks.js";
import { TidingsError } from "./errors.js";
import { eventText } from "./event-text.js";
import { MAX_PUBLISHES } from "./limits.js";
import type { Origin } from "./origin.js";
import type { RunningCore } from "./running-core.js";
import type { Published, PublishOptions } from "./types.js";
import { uuid7 } from "./uuid.js";

/** A publish that waits for its answer. */
interface Pending extends Ask {
  /** Resolves the promise with the answer or, without one, rejects it with the error. */
  settle(error: unknown, answer?: Published): void;
  /** The promise that the caller has. */
  promise?: Promise<Published>;
}

/** The publishes of a client that wait for their answer. */
export class Publishes extends Asks<Pending> {
  #origin: Origin;

  constructor(core: RunningCore, origin: Origin) {
    super(core);
    this.#origin = origin;
  }

  /** Publishes an event, unless `check` throws. Every fault rejects the promise; this call never throws. */
  add(event: unknown, options: PublishOptions, check: () => void): Promise<Published> {
    let added: Pending | undefined;
    const promise = new Promise<Published>((resolve, reject) => {
      check();
      expectOptions("publish(event, options)", options);
      const { topics, key, origin, signal } = options;
      signal?.throwIfAborted();
      expectOptional("string", "publish(event, options)", { key, origin });
      // Text, so that a later change of the caller's object is not published.
      const text = eventText(event);
      const names = topics === undefined ? topics : named(topics);
      const uuid = key ?? uuid7();
      const mark = origin ?? this.#origin.next();
      const abort = () => {
        this.remove(pending, (core, id) => core.cancel(id));
        pending.settle(signal?.reason);
      };
      const pending: Pending = {
        id: undefined,
        ask: (core) => core.publish(text, names, uuid, mark),
        failed: (failure) => pending.settle(new TidingsError(failure)),
        settle: (error, answer) => {
          this.remove(pending);
          signal?.removeEventListener("abort", abort);
          if (answer) resolve(answer);
          else reject(error);
        },
      };
      if (this.all.size >= MAX_PUBLISHES) {
        const message = `${MAX_PUBLISHES} publishes wait for an answer already.`;
        throw new TidingsError({ code: "offline_full", message, retryable: true });
      }
      signal?.addEventListener("abort", abort);
      added = pending;
      this.start(pending);
    });
    if (added) added.promise = promise;
    return promise;
  }

  /** The client was closed with this error. */
  closed(error: TidingsError, isByUser: boolean): void {
    for (const pending of this.all) {
      // If the user closed the client, a promise that nobody awaits is no unhandled rejection.
      if (isByUser) pending.promise?.catch(() => {});
      pending.settle(error);
    }
  }
}
