// A clock that a test moves. It takes the place of the timers and the time of the process.

const real = { setImmediate };
const NAMES = ["setTimeout", "clearTimeout", "setInterval", "clearInterval"];

/** Resolves when all microtasks have run. */
const drained = () => new Promise((resolve) => real.setImmediate(resolve));

export class Clock {
  now = 0;
  #timers = new Map();
  #last = 0;
  #saved;

  /** Takes the place of the real time. Returns a function that gives it back. */
  install() {
    this.#saved = Object.fromEntries(NAMES.map((name) => [name, globalThis[name]]));
    const [date, performanceNow] = [Date.now, performance.now];
    const add = (callback, ms, every) => {
      const id = ++this.#last;
      // A browser takes a time beyond 31 bits for none.
      const wait = ms > 2 ** 31 - 1 ? 0 : Number(ms) || 0;
      this.#timers.set(id, { callback, at: this.now + Math.max(0, wait), every, id });
      return id;
    };
    globalThis.setTimeout = (callback, ms, ...args) => add(() => callback(...args), ms);
    globalThis.setInterval = (callback, ms) => add(callback, ms, Math.max(1, ms));
    globalThis.clearTimeout = (id) => void this.#timers.delete(id);
    globalThis.clearInterval = globalThis.clearTimeout;
    Date.now = () => 1_700_000_000_000 + this.now;
    performance.now = () => this.now;
    return () => {
      Object.assign(globalThis, this.#saved);
      Date.now = date;
      performance.now = performanceNow;
    };
  }

  /** How many timers wait. */
  get pending() {
    return this.#timers.size;
  }

  /** Runs everything that is due until `ms` from now, in its order. */
  async advance(ms) {
    const until = this.now + ms;
    await drained();
    for (;;) {
      let next;
      for (const timer of this.#timers.values())
        if (
          timer.at <= until &&
          (!next || timer.at < next.at || (timer.at === next.at && timer.id < next.id))
        )
          next = timer;
      if (!next) break;
      this.now = Math.max(this.now, next.at);
      if (next.every) next.at += next.every;
      else this.#timers.delete(next.id);
      next.callback();
      await drained();
    }
    this.now = until;
  }
}
