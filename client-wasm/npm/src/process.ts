// Node.js ends when nothing is left to wait for. A client that nobody wants anything of is nothing to wait for.

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

/** The TCP sockets of WebSockets. */
let sockets: WeakMap<object, Handle> | undefined;

/**
 * Learns which TCP socket a WebSocket has. From version 24 on, Node.js tells that by its diagnostics channels alone.
 * Elsewhere there are none of these.
 */
export function watchSockets(): void {
  type Builtin = { getBuiltinModule?(name: string): Channels };
  const channels = (globalThis as { process?: Builtin }).process?.getBuiltinModule?.(
    "node:diagnostics_channel",
  );
  if (sockets || !channels) return;
  const known = new WeakMap<object, Handle>();
  sockets = known;
  /** Those that are open, by their port. */
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

/** The TCP socket of a WebSocket: of the package `ws`, of Node.js from 24 on, or before. */
function tcp(socket: object): Handle | undefined {
  const { _socket } = socket as { _socket?: Handle };
  const inside = () => Object.getOwnPropertySymbols(socket).map((key) => (socket as Inside)[key]?.socket);
  return _socket ?? sockets?.get(socket) ?? inside().find((found) => found?.unref);
}

type Inside = Record<symbol, { socket?: Handle } | undefined>;

/** Says whether a timer and a WebSocket, if they are there, are reasons for the process to go on. */
export function hold(timer: unknown, socket: object | undefined, isWanted: boolean): void {
  for (const handle of [timer as Handle | undefined, socket && tcp(socket)]) {
    if (isWanted) handle?.ref?.();
    else handle?.unref?.();
  }
}
