import {
  type Client,
  createClient,
  type EventMeta,
  type EventOf,
  type Topic,
  type UntypedEvent,
  type Watch,
  type WatchOptions,
} from "tidings";
import { catalogue, crm, projects, staff, store } from "tidings/domains";

/** The one connection of this window. */
export const client: Client = createClient({
  url: "/v1/ws",
  domains: [catalogue, crm, projects, staff, store],
});

type Listener = (event: UntypedEvent, meta: EventMeta) => void;

let listener: Listener | undefined;

/** Sets the listener of every event that a view of this window gets. */
export function listen(to: Listener): void {
  listener = to;
}

/** Watches, and hands each event to the listener. */
export function watch<T extends Topic<unknown>, Data>(
  topics: readonly T[],
  options: WatchOptions<EventOf<T>, Data>,
): Watch {
  const concerns = (event: EventOf<T>, meta: EventMeta) => {
    listener?.(event as UntypedEvent, meta);
    return options.concerns?.(event, meta) ?? true;
  };
  return client.watch<T, Data>(topics, { ...options, concerns });
}
