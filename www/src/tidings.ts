import {
  createClient,
  type EventMeta,
  type EventOf,
  type KnownTopic,
  type UntypedEvent,
  type Watch,
  type WatchOptions,
} from "tidings";

/** The one connection of this window. */
export const client = createClient({ url: "/v1/ws" });

type Listener = (event: UntypedEvent, meta: EventMeta) => void;

let listener: Listener | undefined;

/** Sets the listener of every event that a view of this window gets. */
export function listen(to: Listener): void {
  listener = to;
}

/** Watches, and hands each event to the listener. */
export function watch<T extends KnownTopic, D>(topics: readonly T[], options: WatchOptions<T, D>): Watch {
  const concerns = (event: EventOf<T>, meta: EventMeta) => {
    listener?.(event as UntypedEvent, meta);
    return options.concerns?.(event, meta) ?? true;
  };
  return client.watch<T, D>(topics, { ...options, concerns });
}
