// Loads the core, runs it, and replaces it when it fails.

import type { Ask, Asks } from "./asks.js";
import type { Core, Driver, EventFrame, Glue, Host, Load, Loaded } from "./core.js";
import { driverOf } from "./driver.js";
import { EarlySocket } from "./early-socket.js";
import { TidingsError } from "./errors.js";
import { Instance } from "./instance.js";
import { Pause } from "./pause.js";
import { socketUrl } from "./socket-url.js";
import type { ClientState } from "./state.js";
import type { Surroundings } from "./surroundings.js";
import type { ClientOptions } from "./types.js";
import { unavailable } from "./unavailable.js";

declare const CLIENT: string;

/**
 * How often the core may fail within a minute. At the next failure the client closes: a fault that comes back at once
 * would load everything again and again.
 */
const MAX_FAILURES_PER_MINUTE = 3;

/** The client of a running core. */
export interface CoreOwner {
  /** Makes the functions that the core calls. */
  host(url: string): Omit<Host, keyof Driver>;
  /** No core will run: the client closes. */
  failed(error: TidingsError): void;
}

/**
 * Keeps one core running: loads it, and replaces it when it fails.
 *
 * No input should make the core fail. If it does, it has thrown (a panic in Rust) and must not be called again. A fresh
 * instance takes its place and everything is subscribed and loaded again, so that one bad event does not end the
 * client in every tab.
 */
export class RunningCore {
  /** Everything that is asked of the core. */
  readonly asks: Asks<Ask>[] = [];
  #load: Load;
  #options: ClientOptions;
  #state: ClientState;
  #owner: CoreOwner;
  #surroundings: Surroundings;
  #early: EarlySocket;
  #loaded: Loaded | undefined;
  #instance: Instance | undefined;
  /** When the core failed, in milliseconds of `performance.now()`. */
  #failures: number[] = [];
  #isStarted = false;
  #pause = new Pause();
  /** Aborted when the client is closed. */
  #page = new AbortController();

  constructor(
    load: Load,
    options: ClientOptions,
    state: ClientState,
    owner: CoreOwner,
    surroundings: Surroundings,
  ) {
    this.#load = load;
    this.#options = options;
    this.#state = state;
    this.#owner = owner;
    this.#surroundings = surroundings;
    this.#early = new EarlySocket(surroundings);
  }

  /** Loads the core, at the first call. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#surroundings.watchPage((isAwake) => {
      if (isAwake) this.#pause.hurry();
      else this.#early.close();
      this.use((core) => core.page(isAwake));
    }, this.#page.signal);
    this.#state.setStatus("connecting");
    void this.#begin();
  }

  /** Calls the core, if one runs. A core that throws has failed. `changesTopics`: see `Instance.call`. */
  use(call: (core: Core) => void, changesTopics = true): void {
    const instance = this.#instance;
    if (!instance) return;
    try {
      instance.call(call, changesTopics);
    } catch (cause) {
      this.#replace(instance, cause);
    }
  }

  #deliver(
    instance: Instance,
    connection: number,
    frame: EventFrame,
    timeStamp: number | undefined,
  ): boolean {
    try {
      return instance === this.#instance && instance.deliver(connection, frame, timeStamp);
    } catch (cause) {
      this.#replace(instance, cause);
      return true;
    }
  }

  /** Stops for good. The client is closed. */
  stop(): void {
    this.#page.abort();
    this.#early.close();
    this.#pause.hurry();
    // Not before the calls that are inside the core have returned.
    queueMicrotask(() => {
      this.use((core) => core.free());
      this.#instance = undefined;
    });
  }

  /** Makes an instance of the core. Tries again while the core cannot be loaded. */
  async #begin(): Promise<void> {
    // Not before the caller, or the core that failed, has returned.
    await undefined;
    for (let attempts = 0; !this.#isClosed; attempts++) {
      this.#state.setStatus("connecting");
      try {
        const url = socketUrl(this.#options.url);
        const glue = await this.#glue(url, attempts === 0);
        // The client may have been closed while the core was loaded.
        if (this.#isClosed) return;
        this.#instance = this.#instantiate(glue, url);
      } catch (cause) {
        const error = unavailable(cause);
        if (!error.retryable) return this.#owner.failed(error);
        if (attempts === 0) this.#state.connectionError(error);
        this.#state.setStatus("reconnecting");
        await this.#pause.wait(attempts);
        continue;
      }
      for (const asks of this.asks) asks.askAll();
      // By then the core has asked for a WebSocket, or needs none.
      this.#early.closeAfter(0);
      return;
    }
  }

  get #isClosed(): boolean {
    return this.#state.status === "closed";
  }

  /** Loads the core. `mayConnect`: a WebSocket may open meanwhile. */
  async #glue(url: string, mayConnect: boolean): Promise<Glue> {
    const { check, opensEarly } = this.#surroundings;
    check();
    const isAsked = this.asks.some(({ all }) => all.size);
    // A function may have no token, or take longer for it than the server waits for the first frame.
    const isReady = opensEarly && typeof this.#options.token !== "function";
    if (mayConnect && isAsked && isReady && !this.#loaded) this.#early.open(url);
    this.#loaded ??= await this.#load();
    const glue = this.#loaded.glue();
    glue.initSync({ module: this.#loaded.module });
    return glue;
  }

  #instantiate(glue: Glue, url: string): Instance {
    const { token, domains = [] } = this.#options;
    const driver = driverOf(
      this.#surroundings,
      (call) => {
        const isUsed = instance !== undefined && instance === this.#instance;
        if (isUsed) this.use(call);
        return isUsed;
      },
      (connection, frame, timeStamp) => this.#deliver(instance, connection, frame, timeStamp),
      (url, protocol) => this.#early.take(url, protocol),
    );
    const host = { ...this.#owner.host(url), ...driver };
    const core = new glue.Core(host, url, CLIENT, token !== undefined, domains);
    const instance = new Instance(core, host.event, driver.isDue, domains);
    return instance;
  }

  #replace(instance: Instance, cause: unknown): void {
    if (instance !== this.#instance) return;
    this.#instance = undefined;
    for (const asks of this.asks) asks.lost();
    if (this.#isClosed) return;
    const now = performance.now();
    this.#failures = [...this.#failures.filter((at) => now - at < 60_000), now];
    const retryable = this.#failures.length <= MAX_FAILURES_PER_MINUTE;
    const message = retryable ? "The core failed and is replaced." : "The core failed too often.";
    const error = new TidingsError({ code: "core_failed", message, retryable }, { cause });
    if (retryable) {
      this.#state.error(error);
      void this.#begin();
    } else this.#owner.failed(error);
  }
}
