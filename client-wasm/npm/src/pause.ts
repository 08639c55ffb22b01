/** Milliseconds within which the first wait is drawn; each further one doubles it. */
const FIRST_MS = 1_000;

/** The same, at the most. */
const MAX_MS = 20_000;

/** The waits between the attempts to load the core. Those between connections are the core's own. */
export class Pause {
  #end: (() => void) | undefined;

  /** Waits after so many attempts, or until it is hurried. */
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
