import { call, closedError, type Failure, TidingsError } from "./errors.js";
import type { EventMeta, SubscribeOptions, Subscription, Sync } from "./types.js";

/** What a subscription needs of its client. */
export interface Owner {
  ended(handle: Handle): void;
  error(error: TidingsError): void;
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The one spelling of a topic: its UUIDs are in lower case. */
const spelling = (topic: string): string =>
  topic.replace(/[^:]+/g, (segment) => (UUID.test(segment) ? segment.toLowerCase() : segment));

/** A copy of what was JSON. */
function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  const fresh = {};
  for (const [key, of] of Object.entries(value)) {
    const own = { value: copy(of), writable: true, enumerable: true, configurable: true };
    // Assigned, it would be the prototype.
    if (key === "__proto__") Object.defineProperty(fresh, key, own);
    else (fresh as Record<string, unknown>)[key] = own.value;
  }
  return fresh;
}

/** A subscription, independent of the core that serves it. */
export class Handle implements Subscription {
  readonly topics: readonly string[];
  readonly ready: Promise<void>;
  /** Its number in the present core. */
  id: number | undefined;
  declare [Symbol.dispose]: () => void;
  #owner: Owner | undefined;
  #handler: (event: never, meta: EventMeta) => void;
  #options: SubscribeOptions;
  #onEnd: (() => void) | undefined;
  /** Those of its topics that were not refused, each by its one spelling. */
  readonly held: Set<string>;
  /** Whether a callback of the user sees its events. */
  protected readonly reads: boolean = true;
  #settle!: { resolve(): void; reject(reason: unknown): void };
  /** It was in force before the core was replaced. */
  #resyncs = false;
  #live = false;
  #refused = false;

  constructor(
    owner: Owner,
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
    // Whoever does not look at it is told by onError.
    this.ready.catch(() => {});
    options.signal?.addEventListener("abort", this.#aborted);
  }

  unsubscribe(): void {
    this.end(
      new TidingsError({ code: "ended", message: "The subscription was ended before it was in force." }),
    );
  }

  #aborted = (): void => this.end(this.#options.signal?.reason);

  /** Ends it, for this reason if anybody waits. */
  end(reason: unknown): void {
    const owner = this.#owner;
    if (!owner) return;
    this.#owner = undefined;
    this.#options.signal?.removeEventListener("abort", this.#aborted);
    this.#settle.reject(reason);
    owner.ended(this);
    this.#onEnd?.();
  }

  /** It is in force. */
  isReady(): void {
    this.#live = true;
    this.#settle.resolve();
    if (this.#resyncs) {
      this.#resyncs = false;
      this.sync({ topics: [...this.held], position: "" });
    }
  }

  /** The core that served it is gone, and with it what was on its way. */
  orphaned(): void {
    this.id = undefined;
    // One that lost a topic is never told to be ready, and has the others all the same.
    this.#resyncs ||= this.#live || this.#refused;
  }

  /** `isShared`: another subscription gets the same object, so this one gets a copy that it may change. */
  event(event: unknown, meta: EventMeta, isShared: boolean): void {
    if (this.#owner) call(this.#handler, (isShared && this.reads ? copy(event) : event) as never, meta);
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

  /** An event is not what its type says. */
  malformed(failure: Failure): void {
    if (this.#owner) this.error(failure);
  }

  /** Something went wrong; it goes on. `isTold`: the client's listeners hear of it anyhow. */
  error(failure: Failure | TidingsError, isTold = false): TidingsError {
    const error = failure instanceof TidingsError ? failure : new TidingsError(failure);
    if (this.#options.onError) call(this.#options.onError, error);
    else if (!isTold) this.#owner?.error(error);
    return error;
  }

  /** It lost a topic or, if the failure names none, all of them. */
  failed(failure: Failure | TidingsError, isTold = false): void {
    if (!this.#owner) return;
    const error = this.error(failure, isTold);
    this.#settle.reject(error);
    this.#refused = true;
    // There is no room for it now. The core asks for it again; once it is in force, a sync says so.
    if (error.topic !== undefined && error.retryable) return;
    if (error.topic !== undefined) this.held.delete(error.topic);
    if (error.topic === undefined || this.held.size === 0) this.end(error);
  }

  /** Its client was closed on purpose, which is no error. */
  closed(): void {
    this.end(closedError());
  }
}

// Browsers without it have no `using` either.
if (Symbol.dispose) Handle.prototype[Symbol.dispose] = Handle.prototype.unsubscribe;
