import { textOf } from "./arguments.js";
import { call, type Failure, report, TidingsError } from "./errors.js";
import { type Origin, writeOf } from "./origin.js";
import { Handle, type Owner } from "./subscription.js";
import type { EventMeta, Watch, WatchOptions } from "./types.js";

/** What a watched subscription needs of its client. */
export interface WatchOwner extends Owner {
  readonly origin: Origin;
  readonly views: Set<View>;
  /** The data may have changed. `atOnce`: the user says so. */
  reload(handle: WatchHandle, atOnce: boolean): void;
  /** A load has ended. */
  loaded(handle: WatchHandle, load: number, isDone: boolean, mayRetry: boolean): void;
}

type Options = WatchOptions<string, unknown>;

/**
 * What is loaded for one watched subscription, or for several that watch the same topics with the same `load`: the core
 * says when, this loads and says how that went.
 */
export class View {
  readonly members = new Set<WatchHandle>();
  #owner: WatchOwner;
  #load: Options["load"];
  #key: string;
  #running: AbortController | undefined;
  /** The last write that began before the last load ended. */
  #lastCovered = 0;

  private constructor(owner: WatchOwner, load: Options["load"], key: string) {
    this.#owner = owner;
    this.#load = load;
    this.#key = key;
  }

  /** The one that there is for these topics and options, or a new one. */
  static of(owner: WatchOwner, topics: Iterable<string>, { load, minInterval }: Options): View {
    const key = `${[...topics].sort()} ${minInterval}`;
    for (const view of owner.views) if (view.#load === load && view.#key === key) return view;
    const view = new View(owner, load, key);
    owner.views.add(view);
    return view;
  }

  leave(handle: WatchHandle): void {
    this.members.delete(handle);
    if (this.members.size) return;
    this.#owner.views.delete(this);
    this.stop();
  }

  /**
   * Whether what an own write has changed is shown. A load that ran since the write began may have read what was there
   * before, and shown it after the write. And of two writes under way at once, the one that is shown on top may be stored
   * below the other.
   */
  shows(write: number): boolean {
    return !this.#running && write > this.#lastCovered && write === this.#owner.origin.writes;
  }

  /** Does a load; one that still runs has taken too long. */
  async load(load: number): Promise<void> {
    const late = this.#running && this.stop("The load took too long.");
    const running = new AbortController();
    this.#running = running;
    if (late) this.#failed(late, true);
    // Ended by onError.
    if (running !== this.#running) return;
    let failure: { cause: unknown } | undefined;
    try {
      const data = await this.#load(running.signal);
      for (const member of [...this.members]) if (running === this.#running) member.show(data);
    } catch (cause) {
      failure = { cause };
    }
    // Given up, or ended by onData.
    if (running !== this.#running) return;
    this.stop();
    const mayRetry = !failure || isRetryable(failure.cause);
    if (failure) this.#failed(failure.cause, mayRetry);
    // Any one of them that the core knows speaks for all.
    const [member] = [...this.members].filter(({ id }) => id !== undefined);
    if (member) this.#owner.loaded(member, load, !failure, mayRetry);
  }

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
    // The client's listeners hear of it once.
    let isTold = false;
    for (const member of [...this.members]) {
      member.error(error, isTold);
      isTold ||= !member.hears;
    }
  }
}

/** Whether what was thrown does not say otherwise. */
function isRetryable(cause: unknown): boolean {
  try {
    return (cause as { retryable?: unknown } | null | undefined)?.retryable !== false;
  } catch {
    return true;
  }
}

/** A watched subscription. */
export class WatchHandle extends Handle implements Watch {
  readonly view: View;
  readonly minInterval: number | undefined;
  protected override readonly reads: boolean;
  /** Whether a callback of the user hears its errors. */
  readonly hears: boolean;
  #owner: WatchOwner;
  #options: Options;

  constructor(owner: WatchOwner, topics: readonly string[], options: Options) {
    const { concerns, skipOwn, minInterval, onError, onNotice } = options;
    const onSync = () => onNotice?.("sync");
    const onResume = () => onNotice?.("resumed");
    super(
      owner,
      topics,
      (event, meta) => this.#hear(event, meta),
      { ...options, onSync, onResume },
      () => this.view.leave(this),
    );
    this.#owner = owner;
    this.#options = options;
    this.reads = Boolean(concerns) || typeof skipOwn === "function";
    this.hears = Boolean(onError);
    this.minInterval = minInterval;
    this.view = View.of(owner, this.held, options);
    this.view.members.add(this);
  }

  reload(): void {
    this.#owner.reload(this, true);
  }

  /** Hands out the data of a load, unless it ended meanwhile. */
  show(data: unknown): void {
    if (this.view.members.has(this)) call(this.#options.onData, data);
  }

  #hear(event: never, meta: EventMeta): void {
    const { concerns, skipOwn = false, onNotice } = this.#options;
    try {
      if (concerns?.(event, meta) === false) return;
      const isShown = meta.own && this.view.shows(writeOf(meta));
      if (isShown && (typeof skipOwn === "function" ? skipOwn(event, meta) : skipOwn)) {
        call(onNotice, "own");
        return;
      }
    } catch (error) {
      report(error);
    }
    this.#owner.reload(this, false);
  }

  /** That there was an event is all that matters. */
  override malformed(failure: Failure): void {
    this.#owner.error(new TidingsError(failure));
    this.#owner.reload(this, false);
  }

  override orphaned(): void {
    super.orphaned();
    this.view.stop();
  }
}
