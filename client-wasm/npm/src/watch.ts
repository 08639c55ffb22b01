import { call, type Failure, report, TidingsError } from "./errors.js";
import { type Origin, writeOf } from "./origin.js";
import { Handle, type Owner } from "./subscription.js";
import type { EventMeta, Watch, WatchOptions } from "./types.js";

/** What a watched subscription needs of its client. */
export interface WatchOwner extends Owner {
  readonly origin: Origin;
  /** The data may have changed. `atOnce`: the user says so. */
  reload(handle: WatchHandle, atOnce: boolean): void;
  /** A load has ended. */
  loaded(handle: WatchHandle, load: number, isDone: boolean, mayRetry: boolean): void;
}

/** A watched subscription: the core says when to load, this loads and says how that went. */
export class WatchHandle extends Handle implements Watch {
  #owner: WatchOwner;
  #options: WatchOptions<string, unknown>;
  #running: AbortController | undefined;
  /** The last write that began before the last load ended. */
  #lastCovered = 0;

  constructor(owner: WatchOwner, topics: readonly string[], options: WatchOptions<string, unknown>) {
    const { onNotice } = options;
    const onSync = () => onNotice?.("sync");
    const onResume = () => onNotice?.("resumed");
    super(
      owner,
      topics,
      (event, meta) => this.#hear(event, meta),
      { ...options, onSync, onResume },
      () => this.#stop(),
    );
    this.#owner = owner;
    this.#options = options;
  }

  reload(): void {
    this.#owner.reload(this, true);
  }

  #hear(event: never, meta: EventMeta): void {
    const { concerns, skipOwn = false, onNotice } = this.#options;
    try {
      if (concerns?.(event, meta) === false) return;
      // A load that ran since the write began may have read what was there before, and shown it after the write. And of
      // two writes under way at once, the one that is shown on top may be stored below the other.
      const write = meta.own ? writeOf(meta) : 0;
      const isShown = !this.#running && write > this.#lastCovered && write === this.#owner.origin.writes;
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
    this.#stop();
  }

  /** Does a load; one that still runs has taken too long. */
  async load(load: number): Promise<void> {
    const late = this.#running && this.#stop("The load took too long.");
    const running = new AbortController();
    this.#running = running;
    if (late) this.#failed(late, true);
    // Ended by onError.
    if (running !== this.#running) return;
    let failure: { cause: unknown } | undefined;
    try {
      const data = await this.#options.load(running.signal);
      if (running === this.#running) call(this.#options.onData, data);
    } catch (cause) {
      failure = { cause };
    }
    // Given up, or ended by onData.
    if (running !== this.#running) return;
    this.#stop();
    const { retryable } = (failure?.cause ?? {}) as { retryable?: unknown };
    const mayRetry = retryable !== false;
    if (failure) this.#failed(failure.cause, mayRetry);
    this.#owner.loaded(this, load, !failure, mayRetry);
  }

  #stop(reason?: string): unknown {
    const cause = reason && new DOMException(reason, "TimeoutError");
    this.#running?.abort(cause);
    this.#running = undefined;
    this.#lastCovered = this.#owner.origin.writes;
    return cause;
  }

  #failed(cause: unknown, retryable: boolean): void {
    const message = `The data was not loaded: ${cause}`;
    this.error(new TidingsError({ code: "load_failed", message, retryable }, { cause }));
  }
}
