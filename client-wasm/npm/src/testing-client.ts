// The clients of the test hub.

import { Client } from "./client.js";
import { load } from "./core-inline.js";
import { watchPage } from "./page.js";
import { timers } from "./testing-turn.js";
import type { UntypedEvent } from "./topics.js";
import type { ClientOptions, Watch, WatchOptions } from "./types.js";

/** The core is compiled once, from the import of `tidings/testing` on. */
export const core = load();
// A client that is used reports why the core cannot be loaded.
core.catch(() => {});

/** The clients of a hub have this address. Nobody connects to it. */
const ADDRESS = "ws://tidings.test/v1/ws";

/** What a client needs of its hub. */
export interface ClientHub {
  open(url: string, protocol: string): WebSocket;
  /** The client does something without a frame of the hub. */
  happened(): void;
}

/** A timer that waits for no time, neither for real nor for fake time. */
class Soon {
  isCleared = false;

  constructor(handler: () => void) {
    timers.run(() => this.isCleared || handler());
  }
}

/** A real client. Only its surroundings are those of a test. */
export class TestClient extends Client {
  #minInterval: number;
  /** Does what the client does when the network comes back. */
  #wake: () => void;

  constructor(options: Omit<ClientOptions, "url">, minInterval: number, hub: ClientHub) {
    let wake = () => {};
    super(
      () => core,
      { ...options, url: ADDRESS },
      {
        check() {},
        // The core is there.
        opensEarly: false,
        open: hub.open,
        setTimeout: (handler, ms) => {
          const fire = () => {
            hub.happened();
            handler();
          };
          return ms > 0 || timers.isFull ? setTimeout(fire, ms) : new Soon(fire);
        },
        clearTimeout(handle) {
          if (handle instanceof Soon) handle.isCleared = true;
          else clearTimeout(handle as number);
        },
        watchPage(tell, signal) {
          wake = () => tell(true);
          watchPage(tell, signal);
        },
      },
    );
    this.#minInterval = minInterval;
    this.#wake = () => wake();
  }

  /** Makes the next attempt to connect soon, if the client waits for it. */
  hurry(): void {
    if (this.status === "reconnecting") this.#wake();
  }

  override watch(topics: string | readonly string[], options: unknown): Watch {
    const given = options as WatchOptions<UntypedEvent, unknown> | undefined;
    const watch = given && { ...given, minInterval: given.minInterval ?? this.#minInterval };
    return super.watch(topics as string, watch as WatchOptions<UntypedEvent, unknown>);
  }
}
