// The class `Client`: the shell around the core, which all entries of the package share.

import { checkBuffer, checkPause, expect, expectOptional, expectOptions, list } from "./arguments.js";
import type { Load } from "./core.js";
import { checkDomains } from "./domain-list.js";
import { report, type TidingsError } from "./errors.js";
import { Events } from "./events.js";
import { hostOf } from "./host.js";
import { Origin } from "./origin.js";
import { Publishes } from "./publishing.js";
import { type CoreOwner, RunningCore } from "./running-core.js";
import { ClientState, type Listeners } from "./state.js";
import { Handle, Subscriptions } from "./subscription.js";
import { here, type Surroundings } from "./surroundings.js";
import { Tokens } from "./token.js";
import type {
  Domain,
  EventOf,
  PublishableEvent,
  Spelt,
  TypedTopic,
  Untyped,
  UntypedEvent,
} from "./topics.js";
import type {
  ClientOptions,
  EventItem,
  EventMeta,
  EventsOptions,
  Handler,
  ListenOptions,
  Published,
  PublishOptions,
  Status,
  SubscribeOptions,
  Subscription,
  Watch,
  WatchOptions,
} from "./types.js";
import { WatchHandle } from "./watch.js";

export { type ClientCode, type ServerCode, TidingsError, type TidingsErrorCode } from "./errors.js";
export type {
  Domain,
  EventOf,
  FieldType,
  KnownTopic,
  PublishableEvent,
  Spelt,
  Topic,
  Untyped,
  UntypedEvent,
} from "./topics.js";
export type * from "./types.js";

/**
 * A client of a Tidings server that knows the domains `D`. `createClient` creates it.
 *
 * At its first use it loads its core and connects. It reconnects by itself until it is closed.
 */
export class Client<in D extends Domain = never> {
  declare [Symbol.dispose]: () => void;
  #state = new ClientState();
  #origin = new Origin();
  #core: RunningCore;
  #subscriptions: Subscriptions;
  #publishes: Publishes;

  /** @internal */
  constructor(load: Load, options: ClientOptions, surroundings: Surroundings = here) {
    expect("object", "createClient({ url, token })", { options });
    const { domains, token } = options;
    checkDomains(domains);
    const owner: CoreOwner = {
      host: (url) => hostOf({ subscriptions, publishes, tokens, domains, closed: () => this.#closed() }, url),
      failed: (error) => this.#fail(error),
    };
    const core = new RunningCore(load, options, this.#state, owner, surroundings);
    const subscriptions = new Subscriptions(core, this.#state, this.#origin);
    const publishes = new Publishes(core, this.#origin);
    const tokens = new Tokens(core, token);
    this.#core = core;
    this.#subscriptions = subscriptions;
    this.#publishes = publishes;
  }

  /** @internal For `tidings/query`. */
  get inner(): { state: ClientState; origin: Origin; report: typeof report } {
    return { state: this.#state, origin: this.#origin, report };
  }

  /** Where the client stands. `status` listeners hear of each change. */
  get status(): Status {
    return this.#state.status;
  }

  /**
   * The last error of the connection. The `error` listeners heard it too. It is `undefined` before the first error, and
   * while the connection is open.
   */
  get lastError(): TidingsError | undefined {
    return this.#state.lastError;
  }

  /**
   * Returns headers for a request that writes something to your own backend. If the backend hands `Tidings-Origin` on
   * as the `origin` of the events that it publishes, this client gets these events with `meta.own` set.
   *
   * Call it for each request: each call counts as one write.
   *
   * ```ts
   * await fetch("/api/people/7", { method: "DELETE", headers: client.writeHeaders() });
   * ```
   */
  writeHeaders(): Record<"Tidings-Origin", string> {
    return { "Tidings-Origin": this.#origin.next() };
  }

  /**
   * Keeps data up to date. It subscribes, then loads. It loads again after each event, and whenever events may have
   * been lost. Only one load runs at a time; changes during a load cause one more load.
   *
   * - Loads start at least 250 ms apart (`minInterval`). Watches of the same topics with the same `key`, or without a key
   *   and with the same `load` function, share their loads.
   * - After a reconnect that missed nothing, it loads nothing.
   * - A load that fails, or takes longer than 30 seconds, leaves the data as it is. It is tried again, with growing
   *   pauses.
   * - If the topics are not in force after 3 seconds, it loads without them, and once more when they are.
   *
   * Throws a `TypeError` for an option of a wrong type, and a `TidingsError` (`invalid_topic`) for a topic that cannot
   * be meant. Later errors go to `onError`.
   *
   * ```ts
   * const view = client.watch(staff.topics.people, {
   *   load: (signal) => fetch("/api/people", { signal }).then((response) => response.json()),
   *   onData: (people) => render(people),
   *   onError: (error) => console.warn(error.code, error.hint),
   * });
   * ```
   */
  watch<const T extends TypedTopic<D>, Data>(
    topics: T | readonly T[],
    options: WatchOptions<EventOf<T, D>, Data>,
  ): Watch;
  watch<const T extends string, Data>(
    topics: Spelt<T, D> | readonly Spelt<T, D>[],
    options: WatchOptions<EventOf<T, D>, Data>,
  ): Watch;
  watch(topics: string | readonly string[], options: unknown): Watch {
    const watch = options as WatchOptions<never, unknown>;
    const call = "watch(topics, { load, onData })";
    expectOptions(call, watch);
    expect("function", call, { load: watch.load, onData: watch.onData });
    expectOptional("string", call, { key: watch.key });
    checkPause(watch.minInterval);
    const handle = new WatchHandle(this.#subscriptions, list(topics), watch);
    return this.#subscriptions.add(handle, watch);
  }

  /**
   * Subscribes to a topic, or to several. `handler` is called with each event once, in the order of the server's log,
   * even if the event is on several of the topics. Each handler gets an event of its own, which it may change.
   *
   * Await `ready` before you load your data: every event that is published from then on arrives.
   *
   * Throws a `TypeError` for an argument of a wrong type, and a `TidingsError` (`invalid_topic`) for a topic that cannot
   * be meant. Later errors go to `onError`.
   *
   * ```ts
   * const subscription = client.subscribe(
   *   staff.topics.people,
   *   (event) => console.log(event.event, event.payload),
   *   { onSync: () => load(), onError: (error) => console.warn(error.code, error.hint) },
   * );
   * await subscription.ready;
   * load();
   * ```
   */
  subscribe<const T extends TypedTopic<D>>(
    topics: T | readonly T[],
    handler: Handler<EventOf<T, D>>,
    options?: SubscribeOptions,
  ): Subscription;
  subscribe<const T extends string>(
    topics: Spelt<T, D> | readonly Spelt<T, D>[],
    handler: Handler<EventOf<T, D>>,
    options?: SubscribeOptions,
  ): Subscription;
  subscribe(
    topics: string | readonly string[],
    handler: (event: never, meta: EventMeta) => void,
    options: SubscribeOptions = {},
  ): Subscription {
    expect("function", "subscribe(topics, handler)", { handler });
    expectOptions("subscribe(topics, handler, options)", options);
    return this.#subscriptions.add(new Handle(this.#subscriptions, list(topics), handler, options), options);
  }

  /**
   * Returns the events of a topic, or of several, for `for await`. It subscribes when the loop begins, and unsubscribes
   * when the loop is left.
   *
   * The loop ends when its `signal` is aborted or the client is closed. It throws a `TidingsError` when a topic is
   * refused, when an event does not match its type, or when events may have been missed and there is no `onSync`.
   *
   * ```ts
   * for await (const { event, meta } of client.events(projects.topics.all)) console.log(event.event, meta.position);
   * ```
   */
  events<const T extends TypedTopic<D>>(
    topics: T | readonly T[],
    options?: EventsOptions,
  ): AsyncIterableIterator<EventItem<EventOf<T, D>>>;
  events<const T extends string>(
    topics: Spelt<T, D> | readonly Spelt<T, D>[],
    options?: EventsOptions,
  ): AsyncIterableIterator<EventItem<EventOf<T, D>>>;
  events(topics: string | readonly string[], options: EventsOptions = {}): AsyncIterableIterator<never> {
    const names = list(topics);
    expectOptions("events(topics, options)", options);
    checkBuffer(options.buffer);
    const subscriptions = this.#subscriptions;
    const events = new Events(
      (handler, subscribeOptions, onEnd) =>
        subscriptions.add(
          new Handle(subscriptions, names, handler, subscribeOptions, onEnd),
          subscribeOptions,
        ),
      options,
    );
    return events as AsyncIterableIterator<never>;
  }

  /**
   * Publishes an event and resolves with the server's answer. While there is no connection it waits, until `signal` is
   * aborted. After a reconnect it is sent again with the same key, so that it is published once.
   *
   * Rejects with a `TidingsError`. Its code is `invalid_event` or `invalid_topic` if the event or its topics cannot be
   * published, `offline_full` if 256 publishes wait already, `closed`, or a code of the server.
   *
   * ```ts
   * await client.publish({ domain: "staff", event: "person_updated", payload: { uuid: id } });
   * ```
   */
  publish(event: PublishableEvent<D>, options?: PublishOptions): Promise<Published>;
  publish<const E extends UntypedEvent>(event: Untyped<E, D>, options?: PublishOptions): Promise<Published>;
  publish(event: unknown, options: PublishOptions = {}): Promise<Published> {
    const isClosed = this.#state.status === "closed";
    const promise = this.#publishes.add(event, options, () => {
      if (isClosed) throw this.#state.closedError();
    });
    // After `close()`, a promise that nobody awaits is no unhandled rejection.
    if (isClosed) promise.catch(() => {});
    return promise;
  }

  /**
   * Adds a listener, and returns a function that removes it.
   *
   * - `status` listeners hear each change of `status`.
   * - `error` listeners hear each error that no `onError` and no promise reports. `connect_failed`, for example, says
   *   that several attempts to connect have failed; it is told once, and the client goes on trying. Errors without a
   *   listener go to the console.
   *
   * ```ts
   * const off = client.on("status", (status) => showBadge(status === "open" ? "live" : "may be out of date"));
   * ```
   */
  on<K extends keyof Listeners>(type: K, listener: Listeners[K], options: ListenOptions = {}): () => void {
    return this.#state.on(type, listener, options);
  }

  /** Closes for good. Subscriptions and loops end, and publishes that wait reject with `closed`. May be called again. */
  close(): void {
    if (this.#state.status === "closed") return;
    this.#state.isClosedByUser = true;
    this.#end();
    this.#core.use((core) => core.close());
  }

  #fail(error: TidingsError): void {
    if (this.#state.status === "closed") return;
    this.#end(error);
    this.#state.connectionError(error);
  }

  /** Ends everything, because of this error or because the user closed the client. */
  #end(error?: TidingsError): void {
    this.#closed();
    this.#subscriptions.closed(error);
    this.#publishes.closed(error ?? this.#state.closedError(), !error);
  }

  #closed(): void {
    this.#core.stop();
    this.#state.setStatus("closed");
  }
}

if (Symbol.dispose) Client.prototype[Symbol.dispose] = Client.prototype.close;
