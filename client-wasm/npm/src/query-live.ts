// When a query of TanStack Query is stale, and when it is fetched again.
//
// A query is stale from an event until a fetch calls the user's `queryFn`. The cache tells of each fetch, also of the
// user's own. An event during a fetch leaves the query stale, so it is fetched again when that fetch has ended. A fetch that ends
// without data leaves it stale, too.

import type { Origin } from "./origin.js";
import type { Action, Query, QueryFn } from "./query-tanstack.js";

/**
 * The queries that may have older data than the last event left. Two bindings of one query must know of each other's loads, so
 * they share this.
 */
const stale = new WeakSet<Query>();

/**
 * The queries that got their data from `queryFn`: the fetch that runs has called it, or the last fetch did. Other data
 * may be of any age: a persister restored it, or a server sent it.
 */
export const loaded = new WeakSet<Query>();

/** The subscription to some topics. */
export interface Feed {
  /** Loads wait for this: the topics are in force or refused, or the patience is over. */
  opening?: Promise<unknown>;
  /** All topics are in force, so each event is heard. */
  isInForce?: boolean;
  /** Ends the subscription after a while if no component shows a query that depends on it. */
  keep(): void;
}

/** A query that depends on topics. */
export interface Live<F extends Feed> {
  readonly query: Query;
  readonly feeds: Set<F>;
  /** Whether a component shows it. */
  isShown?: boolean;
  /** Whether no event has changed the data since it was loaded. */
  isFresh(): boolean;
  /** The data may have changed. */
  changed(): void;
  /** Loads a stale query again, as soon as that is allowed. A query that no component shows is only marked. */
  schedule(): void;
  /** The state of the query has changed. */
  updated(action: Action): void;
  /** A fetch has ended. `isStale`: without data, or with data that may be old. */
  ended(isStale: boolean): void;
  /** Calls `queryFn` when the topics are in force. */
  load(queryFn: QueryFn, context: unknown): Promise<unknown>;
  /** Whether the page still shows an own write. */
  shows(write: number): boolean;
}

/** `refetch` begins a fetch if a component shows the query and no fetch runs. */
export function createLive<F extends Feed>(
  query: Query,
  origin: Origin,
  minInterval: number,
  refetch: (query: Query) => void,
): Live<F> {
  const feeds = new Set<F>();
  // Its data, if it has any, is older than the subscription.
  stale.add(query);
  /** The call of `queryFn` that runs, or that waits for the topics. */
  let call: object | undefined;
  /** The fetch that runs has called `queryFn`. */
  let isLoading = false;
  /** The last write of this client that began before the last fetch ended. */
  let lastCovered = origin.writes;
  /** No load begins before this time, in milliseconds of `performance.now()`. */
  let notBefore = 0;
  /** A timer will load. */
  let isPlanned = false;

  const pause = () => {
    notBefore = performance.now() + minInterval;
  };

  function changed(): void {
    stale.add(query);
    // Not before it has data: then the user's own invalidation would not be told.
    if (query.state.data !== undefined) query.invalidate();
    schedule();
  }

  function schedule(): void {
    if (isPlanned || !stale.has(query)) return;
    isPlanned = true;
    setTimeout(() => {
      isPlanned = false;
      if (stale.has(query)) refetch(query);
    }, notBefore - performance.now());
  }

  function ended(isStale: boolean): void {
    if (isStale) stale.add(query);
    isLoading = false;
    call = undefined;
    lastCovered = origin.writes;
  }

  function updated({ type, manual }: Action): void {
    // If the fetch before has not ended, this one took its place.
    if (type === "fetch") ended(isLoading);
    else if (type === "invalidate") stale.add(query);
    else if (type === "success") {
      if (!manual) ended(!loaded.has(query));
      // The new data has cleared the mark.
      if (stale.has(query)) changed();
    } else if (query.state.fetchStatus === "idle") {
      // The fetch failed or was cancelled, or somebody else put data into the cache.
      ended(true);
      pause();
      // A query with an error knows that it is stale. A first load that the user cancelled has shown nothing.
      if (query.state.status === "success") schedule();
    }
  }

  async function load(queryFn: QueryFn, context: unknown): Promise<unknown> {
    // A retry is a part of its fetch, unlike a call that takes the place of one that still runs.
    const isFirst = !isLoading || call;
    const mine = {};
    call = mine;
    try {
      for (const { opening } of feeds) await opening;
      if (call !== mine) throw new Error("cancelled");
      isLoading = true;
      pause();
      loaded.add(query);
      // The next page of an infinite query leaves the other pages as they are.
      if (isFirst && !query.state.fetchMeta?.fetchMore) stale.delete(query);
      return await queryFn(context);
    } finally {
      if (call === mine) call = undefined;
    }
  }

  return {
    query,
    feeds,
    isFresh: () => !stale.has(query) && [...feeds].every(({ isInForce }) => isInForce),
    changed,
    schedule,
    updated,
    ended,
    load,
    // It may not if a fetch ran since the write began, or if another write began since: the store may have taken the two
    // in the other order.
    shows: (write) => query.state.fetchStatus === "idle" && write > lastCovered && write === origin.writes,
  };
}
