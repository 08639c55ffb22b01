import { checkBuffer, checkDomains, checkPause, expect, expectOptions, list, textOf } from "./arguments.js";
import { connectFailed } from "./connect-failed.js";
import { type Core, type Glue, type Host, isFailure, type Load, type Loaded } from "./core.js";
import { closedError, type Failure, TidingsError, TOKEN_REFUSED } from "./errors.js";
import { Events } from "./events.js";
import { Audience, type Listeners } from "./listeners.js";
import { Origin } from "./origin.js";
import { watchPage } from "./page.js";
import { Pause } from "./pause.js";
import { hold, watchSockets } from "./process.js";
import { type Pending, Publishes } from "./publishing.js";
import { socketUrl } from "./socket-url.js";
import { Handle } from "./subscription.js";
import type { KnownTopic, PublishableEvent, Spelt, Untyped, UntypedEvent } from "./topics.js";
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
import { unavailable } from "./unavailable.js";
import { unknownDomain } from "./unknown-domain.js";
import { type View, WatchHandle } from "./watch.js";

export * from "./domains.js";
export { type ClientCode, type ServerCode, TidingsError, type TidingsErrorCode } from "./errors.js";
export type {
  EventOf,
  KnownEvent,
  KnownTopic,
  PublishableEvent,
  Spelt,
  Topic,
  Untyped,
  UntypedEvent,
} from "./topics.js";
export type * from "./types.js";

declare const CLIENT: string;

/** How often the core may fail within a minute before the client gives up. */
const MAX_FAILURES_PER_MINUTE = 3;

/** A connection to a Tidings server, made with `createClient`. */
export class Client {
  declare [Symbol.dispose]: () => void;
  #load: Load;
  #options: ClientOptions;
  #status: Status = "idle";
  #lastError: TidingsError | undefined;
  #starts = false;
  #loaded: Loaded | undefined;
  #core: Core | undefined;
  /** Stands for the present core, before and after it can be called. */
  #life: object | undefined;
  #failures: number[] = [];
  #pause = new Pause();
  /** It was closed by its user. */
  #isDone = false;
  /** The last answer of the token callback was a token. */
  #hasToken = false;
  #handles = new Set<Handle>();
  #views = new Set<View>();
  #handleOf = new Map<number, Handle>();
  #origin = new Origin();
  #publishes = new Publishes(
    this.#origin,
    (pending) => {
      this.#start();
      this.#send(pending);
    },
    (id) => this.#run((core) => core.cancel(id)),
  );
  /** Aborted when the client is closed. */
  #page = new AbortController();
  #audience = new Audience();

  /** @internal */
  constructor(load: Load, options: ClientOptions) {
    expect("object", "createClient({ url, token })", { options });
    checkDomains(options.domains);
    this.#load = load;
    this.#options = options;
  }

  /** Where the client stands. */
  get status(): Status {
    return this.#status;
  }

  /**
   * The last connection error. It says why there is no connection. `error` listeners heard it too. `undefined` before
   * anything failed, and while the connection is open.
   */
  get lastError(): TidingsError | undefined {
    return this.#lastError;
  }

  /**
   * Headers for a request to your own backend that writes something: hand `Tidings-Origin` on as the `origin` of what
   * you publish because of it, and this client's `meta.own` is true for that. Read them anew for each request.
   */
  get headers(): Record<"Tidings-Origin", string> {
    return { "Tidings-Origin": this.#origin.next() };
  }

  /**
   * Keeps data up to date. Subscribes, then loads. It loads again after each event, and whenever events may have been
   * lost. Only one load runs at a time. Changes during a load cause one more load.
   *
   * Loads start at least 250 ms apart (`minInterval`). Watches of the same topics with the same `load` share their loads.
   * A connection that comes back and missed nothing loads nothing. A load that fails, or that takes longer than 30
   * seconds, leaves the data as it is and is tried again, ever more rarely. If the topics are not in force after 3
   * seconds, it loads without them, and once more when they are.
   *
   * ```ts
   * client.watch(topic.staff.people, { load: (signal) => api.people({ signal }), onData: render });
   * ```
   */
  watch<const T extends KnownTopic, D>(topics: T | readonly T[], options: WatchOptions<T, D>): Watch;
  watch<const T extends string, D>(
    topics: Spelt<T> | readonly Spelt<T>[],
    options: WatchOptions<T, D>,
  ): Watch;
  watch(topics: string | readonly string[], options: unknown): Watch {
    const owner = {
      ...this.#owner,
      origin: this.#origin,
      views: this.#views,
      reload: ({ id }: Handle, atOnce: boolean) => {
        if (id !== undefined) this.#run((core) => core.reload(id, atOnce));
      },
      loaded: ({ id }: Handle, load: number, isDone: boolean, mayRetry: boolean) => {
        if (id !== undefined) this.#run((core) => core.loaded(id, load, isDone, mayRetry));
      },
    };
    const watch = options as WatchOptions<string, unknown>;
    const call = "watch(topics, { load, onData })";
    expectOptions(call, watch);
    expect("function", call, { load: watch.load, onData: watch.onData });
    checkPause(watch.minInterval);
    return this.#add(new WatchHandle(owner, list(topics), watch), watch);
  }

  /**
   * Subscribes to a topic, or to several: `handler` then gets each event once, whatever number of the topics it is
   * on. The first subscription connects.
   */
  subscribe<const T extends KnownTopic>(
    topics: T | readonly T[],
    handler: Handler<T>,
    options?: SubscribeOptions,
  ): Subscription;
  subscribe<const T extends string>(
    topics: Spelt<T> | readonly Spelt<T>[],
    handler: Handler<T>,
    options?: SubscribeOptions,
  ): Subscription;
  subscribe(
    topics: string | readonly string[],
    handler: (event: never, meta: EventMeta) => void,
    options: SubscribeOptions = {},
  ): Subscription {
    expect("function", "subscribe(topics, handler)", { handler });
    expectOptions("subscribe(topics, handler, options)", options);
    return this.#add(new Handle(this.#owner, list(topics), handler, options), options);
  }

  /**
   * The events of a topic, or of several, for `for await`. It subscribes when the loop begins and unsubscribes when
   * it is left; a signal or `close()` ends it. A refused topic, a malformed event or a sync without `onSync` ends it
   * with an error.
   */
  events<const T extends KnownTopic>(
    topics: T | readonly T[],
    options?: EventsOptions,
  ): AsyncIterableIterator<EventItem<T>>;
  events<const T extends string>(
    topics: Spelt<T> | readonly Spelt<T>[],
    options?: EventsOptions,
  ): AsyncIterableIterator<EventItem<T>>;
  events(topics: string | readonly string[], options: EventsOptions = {}): AsyncIterableIterator<never> {
    const names = list(topics);
    expectOptions("events(topics, options)", options);
    checkBuffer(options.buffer);
    const events = new Events(
      (handler, subscribeOptions, onEnd) =>
        this.#add(new Handle(this.#owner, names, handler, subscribeOptions, onEnd), subscribeOptions),
      options,
    );
    return events as AsyncIterableIterator<never>;
  }

  /**
   * Publishes an event. While there is no connection it waits, for at most as long as `signal` allows; after a
   * reconnect it is sent again with the same key, so that it is published once.
   */
  publish(event: PublishableEvent, options?: PublishOptions): Promise<Published>;
  publish<const E extends UntypedEvent>(event: Untyped<E>, options?: PublishOptions): Promise<Published>;
  publish(event: unknown, options: PublishOptions = {}): Promise<Published> {
    const isClosed = this.#status === "closed";
    const promise = this.#publishes.add(event, options, () => {
      if (isClosed) throw this.#closedError();
    });
    // Who does not wait for it need not catch that.
    if (isClosed) promise.catch(() => {});
    return promise;
  }

  /**
   * Listens. `status` listeners hear where the client stands. `error` listeners hear every error that no `onError` and no
   * promise reports, such as `connect_failed`: several attempts to connect failed. That is told once until there is a
   * connection, and the client goes on trying. Errors without a listener go to the console.
   *
   * Returns a function that removes the listener.
   */
  on<K extends keyof Listeners>(type: K, listener: Listeners[K], options: ListenOptions = {}): () => void {
    return this.#audience.on(type, listener, options);
  }

  /** Closes for good: subscriptions and loops end, publishes that wait fail. May be called again. */
  close(): void {
    if (this.#status === "closed") return;
    this.#isDone = true;
    this.#closed();
    for (const handle of [...this.#handles]) handle.closed();
    this.#publishes.closed(this.#closedError());
    this.#run((core) => core.close());
  }

  #owner = {
    ended: (handle: Handle) => this.#ended(handle),
    error: (error: TidingsError) => this.#error(error),
  };

  #add<H extends Handle>(handle: H, options: SubscribeOptions): H {
    if (this.#status === "closed") handle.failed(this.#closedError());
    else if (options.signal?.aborted) handle.end(options.signal.reason);
    else {
      this.#handles.add(handle);
      this.#start();
      this.#ask(handle);
    }
    return handle;
  }

  #ended(handle: Handle): void {
    this.#handles.delete(handle);
    const { id } = handle;
    if (id === undefined) return;
    this.#handleOf.delete(id);
    this.#run((core) => core.unsubscribe(id));
  }

  /** Loads the core, with the first thing that is asked for. */
  #start(): void {
    if (this.#starts) return;
    this.#starts = true;
    watchSockets();
    watchPage((isAwake) => {
      if (isAwake) this.#pause.hurry();
      this.#run((core) => core.page(isAwake));
    }, this.#page.signal);
    this.#setStatus("connecting");
    void this.#begin();
  }

  /** Makes an instance of the core, and asks it for everything. */
  async #begin(): Promise<void> {
    // Whoever asked is told nothing before it has returned.
    await undefined;
    for (let attempts = 0; ; attempts++) {
      if ((this.#status as Status) === "closed") return;
      try {
        const url = socketUrl(this.#options.url);
        const glue = await this.#glue();
        // Closed meanwhile, which may be while a core of one's own is loaded.
        if ((this.#status as Status) === "closed") return;
        const { token, domains = [] } = this.#options;
        this.#core = new glue.Core(this.#host(url), url, CLIENT, token !== undefined, [...domains]);
        break;
      } catch (cause) {
        const error = unavailable(cause);
        if (!error.retryable) return this.#fail(error);
        if (attempts === 0) this.#connectionError(error);
        this.#setStatus("waiting");
        await this.#pause.wait(attempts);
        if ((this.#status as Status) !== "closed") this.#setStatus("connecting");
      }
    }
    // Callbacks may end some of them, or begin others, which ask for themselves.
    for (const handle of this.#handles) if (handle.id === undefined) this.#ask(handle);
    for (const pending of this.#publishes.waiting) if (pending.id === undefined) this.#send(pending);
  }

  async #glue(): Promise<Glue> {
    if (typeof WebSocket === "undefined") {
      const message = "This environment has no WebSocket.";
      throw new TidingsError({ code: "websocket_unavailable", message });
    }
    this.#loaded ??= await this.#load();
    const glue = await this.#loaded.glue();
    glue.initSync({ module: this.#loaded.module });
    return glue;
  }

  #ask(handle: Handle): void {
    this.#run((core) => {
      try {
        if (handle instanceof WatchHandle) {
          const other = [...handle.view.members].find(({ id }) => id !== undefined);
          handle.id = core.subscribe([...handle.held], true, handle.minInterval, other?.id);
        } else handle.id = core.subscribe([...handle.held], false);
      } catch (error) {
        if (!isFailure(error)) throw error;
        handle.failed(error);
        return;
      }
      this.#handleOf.set(handle.id, handle);
      core.run();
    });
  }

  #send(pending: Pending): void {
    this.#run((core) => {
      try {
        pending.id = core.publish(pending.event, pending.topics, pending.key, pending.origin);
      } catch (error) {
        if (!isFailure(error)) throw error;
        pending.settle(new TidingsError(error));
        return;
      }
      this.#publishes.sent(pending);
      core.run();
    });
  }

  /** Calls the core, if there is one, and replaces it when it fails. */
  #run(what: (core: Core) => void): void {
    const core = this.#core;
    if (!core) return;
    try {
      what(core);
    } catch (error) {
      this.#failed(core, error);
    }
  }

  /** The core failed, as no input should make it: another takes its place, and everybody loads again. */
  #failed(core: Core, cause: unknown): void {
    if (core !== this.#core) return;
    this.#core = undefined;
    this.#life = undefined;
    this.#handleOf.clear();
    this.#publishes.orphaned();
    for (const handle of this.#handles) handle.orphaned();
    const message = "The core failed and is replaced.";
    const error = new TidingsError({ code: "core_failed", message, retryable: true }, { cause });
    const now = performance.now();
    this.#failures = [...this.#failures.filter((at) => now - at < 60_000), now];
    if (this.#failures.length > MAX_FAILURES_PER_MINUTE) this.#fail(error);
    else {
      this.#error(error);
      this.#setStatus("connecting");
      // Not from within the one that failed.
      queueMicrotask(() => void this.#begin());
    }
  }

  /** Ends with an error. */
  #fail(error: TidingsError): void {
    if (this.#status === "closed") return;
    this.#closed();
    for (const handle of [...this.#handles]) handle.failed(error, true);
    for (const pending of this.#publishes.waiting) pending.settle(error);
    this.#connectionError(error);
  }

  #closed(): void {
    const core = this.#core;
    this.#page.abort();
    this.#pause.hurry();
    this.#setStatus("closed");
    // Freed when no call is inside it any more.
    queueMicrotask(() => {
      if (core && core === this.#core) this.#run(() => core.free());
      this.#core = undefined;
      this.#life = undefined;
    });
  }

  /** What an instance of the core calls; what comes from one that was replaced is passed over. */
  #host(url: string): Host {
    const life = {};
    this.#life = life;
    const isPresent = () => this.#life === life;
    const handle = (id: number) => (isPresent() ? this.#handleOf.get(id) : undefined);
    const publish = (id: number) => (isPresent() ? this.#publishes.of(id) : undefined);
    return {
      guard:
        (callback) =>
        (...args) => {
          if (!isPresent()) {
            // The socket of a core that failed: it goes when it stirs.
            (args[0] as { target?: { close?(): void } } | undefined)?.target?.close?.();
            return;
          }
          this.#run(() => void callback(...args));
        },
      ignore() {},
      token: (connection) => void this.#token(connection),
      status: (status) => {
        if (!isPresent() || this.#status === "closed") return;
        if (status === "closed") this.#closed();
        else this.#setStatus(status);
      },
      ready: (id) => handle(id)?.isReady(),
      resumed: (id) => handle(id)?.resumed(),
      load: (id, load) => void (handle(id) as WatchHandle | undefined)?.view.load(load),
      event: (id, event, meta, isShared) =>
        handle(id)?.event(event, { ...meta, own: this.#origin.isOwn(meta.origin) }, isShared),
      sync: (id, sync) => handle(id)?.sync(sync),
      malformed: (id, failure) => handle(id)?.malformed(failure),
      // Without a topic it is the whole client that failed, of which it says so itself.
      failed: (id, failure) => handle(id)?.failed(this.#told(failure), failure.topic === undefined),
      published: (id, answer) => publish(id)?.settle(undefined, answer),
      publishFailed: (id, failure) => publish(id)?.settle(this.#told(failure)),
      error: (failure) => {
        if (!isPresent()) return;
        const isUnreachable = failure.code === "connect_failed";
        this.#connectionError(isUnreachable ? connectFailed(failure, url) : this.#told(failure));
      },
      hold,
      unknownDomain: (domain, nearest) => unknownDomain(domain, nearest, this.#options.domains),
      otherSchema: (server) =>
        console.info(`tidings: the server has other domains (${server}); what is unknown arrives untyped`),
    };
  }

  async #token(connection: number): Promise<void> {
    const { token } = this.#options;
    let failure: string;
    try {
      const fresh: unknown = typeof token === "function" ? await token() : token;
      if (fresh == null || (typeof fresh === "string" && fresh)) {
        this.#hasToken = fresh != null;
        return this.#run((core) => core.token(connection, fresh ?? undefined));
      }
      failure =
        fresh === ""
          ? "`token` is an empty text: return a JWT, or undefined for none."
          : `\`token\` must be a text (a JWT), but is of the type ${typeof fresh}.`;
    } catch (error) {
      failure = `The token callback failed: ${textOf(error)}`;
    }
    this.#run((core) => core.tokenFailed(connection, failure));
  }

  #setStatus(status: Status): void {
    if (this.#status === status) return;
    this.#status = status;
    if (status === "open") this.#lastError = undefined;
    this.#audience.status(status);
  }

  /** What the core says went wrong. */
  #told(failure: Failure): TidingsError {
    const isRefused = failure.code === "unauthorized" && this.#hasToken;
    return new TidingsError(isRefused ? { ...failure, hint: TOKEN_REFUSED } : failure);
  }

  #closedError(): TidingsError {
    return closedError(this.#isDone ? undefined : this.#lastError);
  }

  #connectionError(error: TidingsError): void {
    const { code, message } = this.#lastError ?? {};
    this.#lastError = error;
    this.#audience.error(error, code === error.code && message === error.message);
  }

  #error(error: TidingsError): void {
    this.#audience.error(error);
  }
}

if (Symbol.dispose) Client.prototype[Symbol.dispose] = Client.prototype.close;
