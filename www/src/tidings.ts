import { createClient, type EventMeta, type TidingsError } from "tidings";
import { Problem } from "./api.ts";

/** The one connection of this window. */
export const client = createClient({ url: "/v1/ws" });

/** An event as it arrives: of any domain. */
export interface Heard {
  domain: string;
  event: string;
  payload: Record<string, unknown>;
}

/** What every subscription of the page passes on to the feed. */
export interface Listener {
  onEvent(event: Heard, meta: EventMeta): void;
  onSync(topics: readonly string[], position: string): void;
}

let listener: Listener | undefined;

/** Names who is told of everything that arrives. */
export function listen(to: Listener): void {
  listener = to;
}

interface Handlers {
  onEvent: (event: Heard, meta: EventMeta) => void;
  onSync: () => void;
  onProblem: (problem: Problem) => void;
  signal: AbortSignal;
}

/** Subscribes until the signal aborts; resolves once the subscription is in force. */
export async function subscribe(topic: string, handlers: Handlers): Promise<void> {
  const { onEvent, onSync, onProblem, signal } = handlers;
  const problem = (error: TidingsError) => onProblem(new Problem(400, error.code, error.message));
  const subscription = client.subscribe(
    topic,
    (event, meta) => {
      const heard = event as Heard;
      listener?.onEvent(heard, meta);
      onEvent(heard, meta);
    },
    {
      onSync: ({ topics, position }) => {
        listener?.onSync(topics, position);
        onSync();
      },
      onError: problem,
      signal,
    },
  );
  await subscription.ready;
}
