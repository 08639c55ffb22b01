// The subscriptions of a client, and the handle of each.

import { type Ask, Asks } from "./asks.js";
import type { Core, EventFrame } from "./core.js";
import { call, type Failure, report, TidingsError } from "./errors.js";
import type { Origin } from "./origin.js";
import type { RunningCore } from "./running-core.js";
import type { ClientState } from "./state.js";
import type { EventMeta, SubscribeOptions, Subscription, Sync } from "./types.js";
import type { View } from "./watch.js";

/** The subscriptions of a client. */
export class Subscriptions extends Asks<Handle> {
  readonly state: ClientState;
  readonly origin: Origin;
  /** What the watches among them load. */
  readonly views = new Set<View>();

  constructor(core: RunningCore, state: ClientState, origin: Origin) {
    super(core);
    this.state = state;
    this.origin = origin;
  }

  add<H extends Handle>(handle: H, { signal }: SubscribeOptions): H {
    if (this.state.status === "closed") handle.failed(this.state.closedError());
    else if (signal?.aborted) handle.end(signal.reason);
    else this.start(handle);
    return handle;
  }

  /** The client was closed, by this error or by its user. */
  closed(error?: TidingsError): void {
    for (const handle of [...this.all]) {
      if (error) handle.failed(error, true);
      else handle.end(this.state.closedError());
    }
  }
}

/** A subscription. */
export class Handle implements Subscription, Ask {
  readonly topics: readonly string[];
  readonly ready: Promise<void>;
  id: number | undefined;
  declare [Symbol.dispose]: () => void;
  #owner: Subscriptions | undefined;
  #handler: (event: never, meta: EventMeta) => void;
  #options: SubscribeOptions;
  #onEnd: (() => void) | undefined;
  /** The topics that were not refused for good, spelt as the server spells them. */
  readonly held: Set<string>;
  /** Whether the user sees the events, and may change them. */
  protected readonly reads: boolean = true;
  #settle!: { resolve(): void; reject(reason: unknown): void };
  /** The user was told that it is ready, or that a topic failed. Whatever it misses from then on is a sync. */
  protected isSettled = false;

  constructor(
    owner: Subscriptions,
    topics: readonly string[],
    handler: (event: never, meta: EventMeta) => void,
    options: SubscribeOptions,
    onEnd?: () => void,
  ) {
    this.topics = topics;
    this.#onEnd = onEnd;
    this.held = new Set(topics.map(spelling));
    this.#owner = owner;
    this.#handler = handler;
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // A rejection that nobody handles is no error: `onError` hears of it.
    this.ready.catch(() => {});
    options.signal?.addEventListener("abort", this.#aborted);
  }

  ask(core: Core): number {
    return core.subscribe([...this.held], false, undefined, undefined, this.isSettled);
  }

  unsubscribe(): void {
    this.end(
      new TidingsError({ code: "ended", message: "The subscription was ended before it was in force." }),
    );
  }

  #aborted = (): void => this.end(this.#options.signal?.reason);

  /** Ends the subscription. `ready` rejects with this reason if it is still pending. */
  end(reason: unknown): void {
    const owner = this.#owner;
    if (!owner) return;
    this.#owner = undefined;
    this.#options.signal?.removeEventListener("abort", this.#aborted);
    this.#settle.reject(reason);
    owner.remove(this, (core, id) => core.unsubscribe(id));
    this.#onEnd?.();
  }

  /** All topics are in force. */
  isReady(): void {
    this.isSettled = true;
    this.#settle.resolve();
  }

  /** Hands the event of a frame to the handler. `isShared`: other subscriptions get it too, so this one gets a copy. */
  deliver(
    { topics, position, key, at, origin, event }: EventFrame,
    decoded: boolean,
    isShared: boolean,
  ): void {
    const owner = this.#owner;
    if (!owner) return;
    const payload = isShared && this.reads ? copy(event.payload) : event.payload;
    const own = owner.origin.isOwn(origin);
    // Most events are on one topic, for which this is a subscription.
    const held = topics.length === 1 ? [...topics] : topics.filter((topic) => this.held.has(topic));
    const meta: EventMeta =
      origin == null
        ? { topics: held, position, key, at, own, decoded }
        : { topics: held, position, key, at, origin, own, decoded };
    // Not `call`: this runs for each event.
    try {
      this.#handler({ domain: event.domain, event: event.event, payload } as never, meta);
    } catch (error) {
      report(error);
    }
  }

  sync(sync: Sync): void {
    if (!this.#owner) return;
    if (this.#options.onSync) call(this.#options.onSync, sync);
    else this.error({ code: "sync_required", message: "Events may have been missed.", retryable: true });
  }

  /** The connection is back, and nothing was missed. */
  resumed(): void {
    if (this.#owner) call(this.#options.onResume);
  }

  /** An event does not match its type. */
  malformed(failure: Failure): void {
    if (this.#owner) this.error(failure);
  }

  /** Tells an error. The subscription goes on. `isTold`: the client's listeners know the error already. */
  error(failure: Failure | TidingsError, isTold = false): TidingsError {
    const error = failure instanceof TidingsError ? failure : new TidingsError(failure);
    if (this.#options.onError) call(this.#options.onError, error);
    else if (!isTold) this.#owner?.state.error(error);
    return error;
  }

  /** The subscription lost a topic. It lost all topics if the failure names none. */
  failed(failure: Failure | TidingsError, isTold = false): void {
    if (!this.#owner) return;
    const error = this.error(failure, isTold);
    this.isSettled = true;
    this.#settle.reject(error);
    // There is no room for the topic now. The core asks for it again, and tells a sync once it is in force.
    if (error.topic !== undefined && error.retryable) return;
    if (error.topic !== undefined) this.held.delete(error.topic);
    if (error.topic === undefined || this.held.size === 0) this.end(error);
  }
}

// A browser without `Symbol.dispose` has no `using` either.
if (Symbol.dispose) Handle.prototype[Symbol.dispose] = Handle.prototype.unsubscribe;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The server's spelling of a topic: UUIDs are in lower case. */
function spelling(topic: string): string {
  return topic.replace(/[^:]+/g, (segment) => (UUID.test(segment) ? segment.toLowerCase() : segment));
}

/** A deep copy of a JSON value. */
function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  const fresh = {};
  for (const [key, of] of Object.entries(value)) {
    const own = { value: copy(of), writable: true, enumerable: true, configurable: true };
    // An assignment to `__proto__` would set the prototype.
    if (key === "__proto__") Object.defineProperty(fresh, key, own);
    else (fresh as Record<string, unknown>)[key] = own.value;
  }
  return fresh;
}
