// What runs at once, in one turn of the event loop. A turn that never ends would stop the process, and hide why.

// Not that of fake timers, which know nothing of turns.
const realSetTimeout = globalThis.setTimeout;

/** Counts what runs in a turn, up to a bound. */
export class Turn {
  readonly #max: number;
  #count = 0;
  /** How many wait for the next turn. */
  later = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get isFull(): boolean {
    return this.#count >= this.#max;
  }

  /** Runs this in this turn if there is room, else in the next one. */
  run(then: () => void): void {
    if (!this.#count) inBackground(realSetTimeout(() => this.#end()));
    if (this.isFull) {
      this.later += 1;
      realSetTimeout(() => {
        this.later -= 1;
        then();
      });
      return;
    }
    this.#count += 1;
    // Not `queueMicrotask`, which fake timers of Jest replace.
    void Promise.resolve().then(then);
  }

  /** Resolves in the next turn. */
  ended(): Promise<void> {
    return new Promise((resolve) => void realSetTimeout(resolve));
  }

  #end(): void {
    this.#count = 0;
  }
}

/**
 * Frames, both ways, and openings and ends of connections that arrive in one turn, of all hubs. Beyond it they wait for the
 * next turn, and `settled` rejects if that goes on. A handler answers each event
 * with another one, for example.
 */
export const frames = new Turn(10_000);

/**
 * Timers of 0 ms that run in one turn. Beyond it they wait for a timer. A client would try again without end if a test
 * replaces `Math.random`, for example.
 */
export const timers = new Turn(1_000);

/** Lets a Node.js process end in spite of a timer. */
export function inBackground<T>(timer: T): T {
  (timer as { unref?(): void } | undefined)?.unref?.();
  return timer;
}
