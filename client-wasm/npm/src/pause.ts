/** The first wait is random, up to this many milliseconds. Each further one doubles the bound. */
const FIRST_MS = 1_000;

/** The greatest bound of a wait, in milliseconds. */
const MAX_MS = 20_000;

/** The back-off between attempts to load the core. The core has its own for connections. */
export class Pause {
  #end: (() => void) | undefined;

  /** Waits after this many attempts. `hurry` ends the wait. */
  wait(attempts: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.random() * Math.min(FIRST_MS * 2 ** attempts, MAX_MS));
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  hurry(): void {
    this.#end?.();
  }
}
