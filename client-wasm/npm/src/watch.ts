// Watches: data that is loaded again when an event may have changed it.

import { textOf } from "./arguments.js";
import type { Core } from "./core.js";
import { call, type Failure, report, TidingsError } from "./errors.js";
import { writeOf } from "./origin.js";
import { Handle, type Subscriptions } from "./subscription.js";
import type { EventMeta, Sync, Watch, WatchOptions } from "./types.js";

type Options = WatchOptions<never, unknown>;

/**
 * The data of one watch, or of several watches that share their loads. The core says when to load; the view loads, and
 * says how the load ended.
 */
export class View {
  readonly members = new Set<WatchHandle>();
  #owner: Subscriptions;
  #load: Options["load"];
  #id: string;
  #running: AbortController | undefined;
  /** The data may have changed since the last load began, or the last load did not bring it. The first load is never due. */
  #isDue = false;
  /** The last write that began before the last load ended. */
  #lastCovered = 0;

  private constructor(owner: Subscriptions, load: Options["load"], id: string) {
    this.#owner = owner;
    this.#load = load;
    this.#id = id;
  }

  /** Returns the view of these topics and options. Watches that agree in both share a view. */
  static of(owner: Subscriptions, topics: Iterable<string>, { load, key, minInterval }: Options): View {
    const id = JSON.stringify([[...topics].sort(), minInterval, key]);
    for (const view of owner.views) {
      if (view.#id !== id || (key === undefined && view.#load !== load)) continue;
      // An older function may belong to a component that is gone.
      view.#load = load;
      return view;
    }
    const view = new View(owner, load, id);
    owner.views.add(view);
    return view;
  }

  get isLoading(): boolean {
    return this.#running !== undefined;
  }

  get isDue(): boolean {
    return this.#isDue;
  }

  /** All members are paused. */
  get isPaused(): boolean {
    for (const { isPaused } of this.members) if (!isPaused) return false;
    return true;
  }

  /** The data may have changed. The core loads it, or the view does when it is resumed. */
  due(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#tell();
  }

  leave(handle: WatchHandle): void {
    this.members.delete(handle);
    if (this.members.size) return;
    this.#owner.views.delete(this);
    this.stop();
  }

  /**
   * Returns whether the page still shows an own write. It may not if a load ran since the write began: the load may have
   * read older data, and shown it on top. It may not if another write began since: the store may have taken the two
   * writes in the other order.
   */
  shows(write: number): boolean {
    return !this.#running && write > this.#lastCovered && write === this.#owner.origin.writes;
  }

  /** Runs the load with this number. A load that still runs has taken too long and is given up. */
  async run(number: number): Promise<void> {
    if (this.isPaused) {
      this.due();
      return this.#ended(number, true, true);
    }
    const late = this.#running && this.stop("The load took too long.");
    const running = new AbortController();
    this.#running = running;
    this.#isDue = false;
    if (late) this.#failed(late, true);
    this.#tell();
    // An `onError` may have ended the watch.
    if (running !== this.#running) return;
    let failure: { cause: unknown } | undefined;
    try {
      const data = await this.#load(running.signal);
      for (const member of [...this.members]) if (running === this.#running) member.show(data);
    } catch (cause) {
      failure = { cause };
    }
    // The load was given up, or an `onData` ended the watch.
    if (running !== this.#running) return;
    this.stop();
    const mayRetry = !failure || isRetryable(failure.cause);
    if (failure) {
      this.#isDue = true;
      this.#failed(failure.cause, mayRetry);
    }
    this.#tell();
    this.#ended(number, !failure, mayRetry);
  }

  /** Tells the core how a load ended. */
  #ended(number: number, isDone: boolean, mayRetry: boolean): void {
    // The core takes the answer from any member that it knows.
    const id = this.idInCore();
    if (id !== undefined) this.#owner.core.use((core) => core.loaded(id, number, isDone, mayRetry), false);
  }

  /** `isLoading` or `isDue` has changed. */
  #tell(): void {
    for (const member of [...this.members]) member.changed();
  }

  /** The number of a member that the present core knows. */
  idInCore(): number | undefined {
    for (const { id } of this.members) if (id !== undefined) return id;
    return undefined;
  }

  /** Gives up a load that runs. Returns the reason for which its signal is aborted. */
  stop(reason?: string): unknown {
    const cause = reason && new DOMException(reason, "TimeoutError");
    this.#running?.abort(cause);
    this.#running = undefined;
    this.#lastCovered = this.#owner.origin.writes;
    return cause;
  }

  #failed(cause: unknown, retryable: boolean): void {
    const message = `The data was not loaded: ${textOf(cause)}`;
    const error = new TidingsError({ code: "load_failed", message, retryable }, { cause });
    // The client's listeners hear of it once, however many members have no `onError`.
    let isTold = false;
    for (const member of [...this.members]) {
      member.error(error, isTold);
      isTold ||= !member.hears;
    }
  }
}

/** Whether to load again after this was thrown: yes, unless it has a `retryable` that is `false`. */
function isRetryable(cause: unknown): boolean {
  try {
    return (cause as { retryable?: unknown } | null | undefined)?.retryable !== false;
  } catch {
    return true;
  }
}

/** The subscription of a watch. */
export class WatchHandle extends Handle implements Watch {
  readonly view: View;
  /** Whether the user has an `onError`. */
  readonly hears: boolean;
  protected override readonly reads: boolean;
  isPaused = false;
  /** The topics that were refused, for good or for now. */
  #lacking = new Set<string>();
  /** The number of the connection since which it has missed nothing that it does not know of. */
  #connection: number | undefined;
  #subscriptions: Subscriptions;
  #options: Options;

  constructor(subscriptions: Subscriptions, topics: readonly string[], options: Options) {
    const { concerns, skipOwn, onError, onNotice } = options;
    const onSync = () => onNotice?.("sync");
    const onResume = () => onNotice?.("resumed");
    super(
      subscriptions,
      topics,
      (event, meta) => this.#hear(event, meta),
      { ...options, onSync, onResume },
      () => {
        this.view.leave(this);
        call(options.onChange);
      },
    );
    this.#subscriptions = subscriptions;
    this.#options = options;
    this.reads = Boolean(concerns) || typeof skipOwn === "function";
    this.hears = Boolean(onError);
    this.view = View.of(subscriptions, this.held, options);
    this.view.members.add(this);
  }

  override ask(core: Core): number {
    const { minInterval } = this.#options;
    return core.subscribe([...this.held], true, minInterval, this.view.idInCore(), this.isSettled);
  }

  reload(): void {
    this.#reload(true);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    const wasPaused = this.view.isPaused;
    this.isPaused = false;
    if (wasPaused && this.view.isDue) this.#reload(true);
  }

  #reload(atOnce: boolean): void {
    const { id, view } = this;
    if (this.hasEnded) return;
    view.due();
    if (id !== undefined) this.#subscriptions.core.use((core) => core.reload(id, atOnce), false);
  }

  get hasEnded(): boolean {
    return !this.view.members.has(this);
  }

  /** It has not ended, and no topic was refused. */
  get isWhole(): boolean {
    return !(this.hasEnded || this.#lacking.size);
  }

  /** The data is what the server had after the last event. */
  get isCurrent(): boolean {
    const { isDue, isLoading } = this.view;
    const { connection, status } = this.#subscriptions.state;
    return this.isWhole && !(isDue || isLoading || status === "degraded") && this.#connection === connection;
  }

  /** `isCurrent` or `view.isLoading` may have changed. */
  changed(): void {
    if (!this.hasEnded) call(this.#options.onChange);
  }

  /** Hands out the data of a load, unless the watch has ended meanwhile. */
  show(data: unknown): void {
    if (!this.hasEnded) call(this.#options.onData, data);
  }

  #hear(event: never, meta: EventMeta): void {
    const { concerns, skipOwn = false, onNotice } = this.#options;
    try {
      if (concerns?.(event, meta) === false) return;
      const isShown = meta.own && !this.isPaused && this.view.shows(writeOf(meta));
      if (isShown && (typeof skipOwn === "function" ? skipOwn(event, meta) : skipOwn)) {
        call(onNotice, "own");
        return;
      }
    } catch (error) {
      report(error);
    }
    this.#reload(false);
  }

  /** An event that does not match its type may have changed the data all the same. */
  override malformed(failure: Failure): void {
    this.#subscriptions.state.error(new TidingsError(failure));
    this.#reload(false);
  }

  override isReady(): void {
    super.isReady();
    this.#heard();
  }

  override resumed(): void {
    super.resumed();
    this.#heard();
  }

  override failed(failure: Failure | TidingsError, isTold = false): void {
    if (failure.topic !== undefined) this.#lacking.add(failure.topic);
    super.failed(failure, isTold);
  }

  override sync(sync: Sync): void {
    for (const topic of sync.topics) this.#lacking.delete(topic);
    this.view.due();
    super.sync(sync);
    this.#heard();
  }

  /** The client knows whether this watch missed something on the way to the present connection. */
  #heard(): void {
    this.#connection = this.#subscriptions.state.connection;
    this.changed();
  }

  lost(): void {
    this.view.stop();
    this.view.due();
  }
}
