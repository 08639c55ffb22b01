// A Node.js process ends when no timer and no socket holds it. A client without subscriptions and publishes must not hold it.

/** A timer or a TCP socket of Node.js. */
interface Handle {
  ref?(): void;
  unref?(): void;
}

interface TcpSocket extends Handle {
  localPort: number;
  once(event: "close", listener: () => void): void;
}

interface Channels {
  subscribe(name: string, listener: (message: never) => void): void;
}

/** The TCP socket of each open WebSocket, where Node.js tells it. */
let sockets: WeakMap<object, Handle> | undefined;

/**
 * Learns which TCP socket a WebSocket has. From version 24 on, only the diagnostics channels of Node.js tell it. Other
 * environments have no such channels.
 */
export function watchSockets(): void {
  type Builtin = { getBuiltinModule?(name: string): Channels };
  const channels = (globalThis as { process?: Builtin }).process?.getBuiltinModule?.(
    "node:diagnostics_channel",
  );
  if (sockets || !channels) return;
  const known = new WeakMap<object, Handle>();
  sockets = known;
  /** The open TCP sockets, by their local port. */
  const open = new Map<number, TcpSocket>();
  channels.subscribe("undici:client:connected", ({ socket }: { socket: TcpSocket }) => {
    const { localPort } = socket;
    open.set(localPort, socket);
    socket.once("close", () => open.get(localPort) === socket && open.delete(localPort));
  });
  channels.subscribe(
    "undici:websocket:open",
    ({ address, websocket }: { address?: { port: number }; websocket?: object }) => {
      const socket = address && open.get(address.port);
      if (websocket && socket) known.set(websocket, socket);
    },
  );
}

/** The TCP socket of a WebSocket of the package `ws`, of Node.js from 24 on, or of Node.js before 24. */
function tcp(socket: object): Handle | undefined {
  const { _socket } = socket as { _socket?: Handle };
  const inside = () => Object.getOwnPropertySymbols(socket).map((key) => (socket as Inside)[key]?.socket);
  return _socket ?? sockets?.get(socket) ?? inside().find((found) => found?.unref);
}

type Inside = Record<symbol, { socket?: Handle } | undefined>;

/** Sets whether a timer and a WebSocket hold the process. Either may be missing. */
export function hold(timer: unknown, socket: object | undefined, isWanted: boolean): void {
  for (const handle of [timer as Handle | undefined, socket && tcp(socket)]) {
    if (isWanted) handle?.ref?.();
    else handle?.unref?.();
  }
}
