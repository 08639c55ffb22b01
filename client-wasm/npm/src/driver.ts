// The WebSocket and the timer of a core.

import type { Core, Driver } from "./core.js";
import { readMessage } from "./message.js";
import { hold } from "./process.js";
import type { Surroundings } from "./surroundings.js";

/** Calls the core. Returns `false` if the core has failed before, or is stopped. */
export type Use = (call: (core: Core) => void) => boolean;

/** Makes the WebSocket and the timer of one core. */
export function driverOf({ open, setTimeout, clearTimeout }: Surroundings, use: Use): Driver {
  let socket: WebSocket | undefined;
  let timer: unknown;
  return {
    connect(connection, url, protocol) {
      const opened = open(url, protocol);
      const tell: typeof use = (call) => {
        const isUsed = use(call);
        // A core that failed left its socket open. It closes at its next event.
        if (!isUsed) opened.close();
        return isUsed;
      };
      opened.onopen = () => tell((core) => core.opened(connection));
      opened.onmessage = ({ data }) => tell((core) => readMessage(data, core, connection));
      opened.onerror = () => tell((core) => core.failed(connection));
      opened.onclose = ({ code }) => tell((core) => core.closed(connection, code));
      socket = opened;
      return opened;
    },
    setTimer(ms) {
      clearTimeout(timer);
      const fire = () => {
        timer = undefined;
        use((core) => core.timeout());
      };
      timer = ms === undefined ? ms : setTimeout(fire, ms);
    },
    hold: (isWanted) => hold(timer, socket, isWanted),
  };
}
