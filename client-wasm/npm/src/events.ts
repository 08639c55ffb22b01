// Events as an async iterable.

import { call, TidingsError } from "./errors.js";
import type { EventItem, EventMeta, EventsOptions, SubscribeOptions, Subscription, Sync } from "./types.js";

/** How many events may wait for a slow loop, unless `buffer` says otherwise. Beyond it they are dropped, which is a sync. */
const MAX_BUFFERED_EVENTS = 1024;

type Subscribe = (
  handler: (event: unknown, meta: EventMeta) => void,
  options: SubscribeOptions,
  onEnd: () => void,
) => Subscription;

interface Waiter<E> {
  resolve(result: IteratorResult<EventItem<E>>): void;
  reject(reason: unknown): void;
}

/**
 * Events as an async iterable. It subscribes at the first `next`, and unsubscribes when the loop is left. Events that
 * arrived before an error or the end are handed out first.
 */
export class Events<E> implements AsyncIterableIterator<EventItem<E>> {
  #subscribe: Subscribe;
  #options: EventsOptions;
  #subscription: Subscription | undefined;
  #items: EventItem<E>[] = [];
  #waiting: Waiter<E>[] = [];
  /** Set when no more events come: to an error, or to null for an end without one. */
  #over: TidingsError | null | undefined;

  constructor(subscribe: Subscribe, options: EventsOptions) {
    this.#subscribe = subscribe;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<EventItem<E>>> {
    this.#start();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
    });
  }

  return(): Promise<IteratorResult<EventItem<E>>> {
    this.#items = [];
    this.#finish(null);
    return Promise.resolve({ done: true, value: undefined });
  }

  #start(): void {
    if (this.#subscription || this.#over !== undefined) return;
    const options: SubscribeOptions = {
      onSync: (sync) => this.#sync(sync),
      onError: (error) => this.#finish(error),
    };
    if (this.#options.signal) options.signal = this.#options.signal;
    this.#subscription = this.#subscribe(
      (event, meta) => this.#push(event, meta),
      options,
      // The subscription has ended: by a signal, by close() or by an error.
      () => this.#finish(null),
    );
  }

  #push(event: unknown, meta: EventMeta): void {
    if (this.#items.length >= (this.#options.buffer ?? MAX_BUFFERED_EVENTS)) {
      this.#items = [];
      this.#sync({ topics: this.#subscription?.topics ?? meta.topics, position: meta.position });
      return;
    }
    this.#items.push({ event, meta } as EventItem<E>);
    this.#serve();
  }

  #sync(sync: Sync): void {
    if (this.#options.onSync) call(this.#options.onSync, sync);
    else {
      const message = "Events may have been missed, so the iteration ended.";
      this.#finish(new TidingsError({ code: "sync_required", message, retryable: true }));
    }
  }

  #finish(over: TidingsError | null): void {
    if (this.#over !== undefined) return;
    this.#over = over;
    this.#subscription?.unsubscribe();
    this.#serve();
  }

  #serve(): void {
    while (this.#waiting.length && (this.#items.length || this.#over !== undefined)) {
      const { resolve, reject } = this.#waiting.shift() as Waiter<E>;
      const value = this.#items.shift();
      if (value) resolve({ done: false, value });
      else if (this.#over) {
        reject(this.#over);
        this.#over = null;
      } else resolve({ done: true, value: undefined });
    }
  }
}
