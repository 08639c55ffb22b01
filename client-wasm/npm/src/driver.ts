// The WebSocket and the timer of a core.

import type { Core, Driver, EventFrame } from "./core.js";
import { isEvent, readMessage } from "./message.js";
import { hold } from "./process.js";
import type { Surroundings } from "./surroundings.js";

/** Calls the core. Returns `false` if the core has failed before, or is stopped. */
export type Use = (call: (core: Core) => void) => boolean;

/** Delivers an event without the core's state machine. Returns `false` if the core must handle it. */
export type Deliver = (connection: number, frame: EventFrame, timeStamp: number | undefined) => boolean;

/** Makes the WebSocket and the timer of one core. `take` returns a WebSocket that was opened before, if there is one. */
export function driverOf(
  { open, setTimeout, clearTimeout }: Surroundings,
  use: Use,
  deliver: Deliver,
  take: (url: string, protocol: string) => WebSocket | undefined,
): Driver & { isDue(now: number): boolean } {
  let socket: WebSocket | undefined;
  let timer: unknown;
  let due = Infinity;
  return {
    connect(connection, url, protocol) {
      const opened = take(url, protocol) ?? open(url, protocol);
      const tell: typeof use = (call) => {
        const isUsed = use(call);
        // A core that failed left its socket open. It closes at its next event.
        if (!isUsed) opened.close();
        return isUsed;
      };
      opened.onopen = () => tell((core) => core.opened(connection));
      opened.onmessage = ({ data, timeStamp }) => {
        const frame = readMessage(data);
        if (!(isEvent(frame) && deliver(connection, frame, timeStamp)))
          tell((core) => core.message(connection, frame));
      };
      opened.onerror = () => tell((core) => core.failed(connection));
      opened.onclose = ({ code }) => tell((core) => core.closed(connection, code));
      socket = opened;
      return opened;
    },
    setTimer(ms) {
      clearTimeout(timer);
      const fire = () => {
        timer = undefined;
        due = Infinity;
        use((core) => core.timeout());
      };
      timer = ms === undefined ? ms : setTimeout(fire, ms);
      due = ms === undefined ? Infinity : performance.now() + ms;
    },
    isDue: (now) => now >= due,
    hold: (isWanted) => hold(timer, socket, isWanted),
  };
}
