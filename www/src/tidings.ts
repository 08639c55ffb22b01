import {
  createClient,
  type EventMeta,
  type EventOf,
  type KnownTopic,
  type Sync,
  type TidingsError,
  type UntypedEvent,
} from "tidings";

/** The one connection of this window. */
export const client = createClient({ url: "/v1/ws" });

/** Who is told of everything that any subscription of this window hears. */
export interface Listener {
  onEvent(event: UntypedEvent, meta: EventMeta): void;
  onSync(sync: Sync): void;
}

let listener: Listener | undefined;

/** Names the listener. */
export function listen(to: Listener): void {
  listener = to;
}

interface Handlers<T extends KnownTopic> {
  onEvent: (event: EventOf<T>) => void;
  /** Something may have been missed. */
  onSync: () => void;
  /** A topic was refused, or an event is not what its type says. */
  onError: (error: TidingsError) => void;
  signal: AbortSignal;
}

/** Subscribes until the signal aborts; resolves once all topics are in force. */
export async function subscribe<T extends KnownTopic>(
  topics: readonly T[],
  handlers: Handlers<T>,
): Promise<void> {
  const { onEvent, onSync, onError, signal } = handlers;
  const subscription = client.subscribe(
    topics,
    (event, meta) => {
      listener?.onEvent(event as UntypedEvent, meta);
      onEvent(event);
    },
    {
      onSync: (sync) => {
        listener?.onSync(sync);
        onSync();
      },
      onError,
      signal,
    },
  );
  await subscription.ready;
}
