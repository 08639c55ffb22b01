// The entry `tidings/query`: queries of TanStack Query that are loaded again when an event may have changed them.

import type { Client } from "./client.js";
import { bind } from "./query-binding.js";
import type { QueryClientLike } from "./query-tanstack.js";
import type { Domain, EventOf, Spelt, TypedTopic } from "./topics.js";
import type { EventMeta } from "./types.js";

export type { QueryClientLike } from "./query-tanstack.js";

/** Options of `liveQueries`. */
export interface LiveQueriesOptions {
  /**
   * The least time between the starts of two loads of a query, in milliseconds. The default is 300. The first event loads
   * at once; all events during the interval cause one load at its end. Your own refetches do not wait.
   */
  minInterval?: number;
  /**
   * How long a subscription goes on after the last component that shows its queries is gone, in milliseconds. The
   * default is 30,000. A component that comes back during this time loads only if something changed.
   */
  linger?: number;
}

/** Which events a query is loaded for. */
export interface LiveRules<E> {
  /** Returns whether an event may have changed the data of this query key. Without it, every event may. */
  concerns?: (event: E, meta: EventMeta) => boolean;
  /**
   * `true`, or a function that returns whether to skip an event: no load for an event that this client caused, because
   * the page has shown the write with `setQueryData`. Invalidate the query if the write fails, or may have failed.
   *
   * An event is not skipped if a fetch of the query ran, or another write of this client began, since the write.
   * Otherwise older data could stay on top.
   */
  skipOwn?: boolean | ((event: E, meta: EventMeta) => boolean);
}

/**
 * Options that make a query live. Spread them into the options of the query, before your own.
 *
 * They set three options: `persister`, by which they see each fetch and let it wait for the topics; `staleTime`, so that
 * data is fresh until an event says otherwise; and `refetchOnReconnect`, because the client knows after a reconnect
 * whether something was missed. With a `persister`, TanStack Query takes `offlineFirst` as `networkMode`, unless you set
 * it.
 */
export interface LiveOptions {
  /** The data is fresh while its topics are in force and no event has changed it. */
  readonly staleTime: (query: object) => number;
}

/** Makes options for a query whose data changes with the events of these topics. It subscribes to nothing by itself. */
export interface Live<D extends Domain = never> {
  <const T extends TypedTopic<D>>(topics: T | readonly T[], rules?: LiveRules<EventOf<T, D>>): LiveOptions;
  <const T extends string>(
    topics: Spelt<T, D> | readonly Spelt<T, D>[],
    rules?: LiveRules<EventOf<T, D>>,
  ): LiveOptions;
}

/**
 * Binds queries of TanStack Query to topics. Returns the function `live`, which makes options for a query.
 *
 * ```ts
 * const live = liveQueries(client, queryClient);
 *
 * const person = (id: string) =>
 *   queryOptions({
 *     ...live(staff.topics.person(id)),
 *     queryKey: ["person", id],
 *     queryFn: ({ signal }) => fetch(`/api/people/${id}`, { signal }).then((answer) => answer.json()),
 *   });
 * ```
 */
export const liveQueries: <D extends Domain = never>(
  client: Client<D>,
  queryClient: QueryClientLike,
  options?: LiveQueriesOptions,
) => Live<D> = bind;
