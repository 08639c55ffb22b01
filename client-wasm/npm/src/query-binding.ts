// Between a client and a query cache: when a query is stale, and when it is fetched again.
//
// A query is stale from an event until a fetch calls the user's `queryFn`. The cache tells of each fetch, whoever began
// it. An event during a fetch leaves the query stale, so it is fetched again when that fetch has ended. A fetch that ends
// without data leaves it stale, too.

import type { Client } from "./client.js";
import type { TidingsError } from "./errors.js";
import { writeOf } from "./origin.js";
import type { LiveOptions, LiveQueriesOptions, LiveRules } from "./query.js";
import type { Action, CacheEvent, Observer, Persister, Query, QueryClientLike } from "./query-tanstack.js";
import type { EventMeta, Subscription } from "./types.js";

/** The least time between the starts of two loads of a query, unless the user names another. */
const MIN_INTERVAL_MS = 300;

/** How long the first load of a query waits for its topics: data is not withheld because no server can be reached. */
const PATIENCE_MS = 3_000;

/** How long a subscription goes on when no component shows its queries any more, unless the user names another time. */
const LINGER_MS = 30_000;

/** How many subscriptions may go on without a component. Beyond it, the one that was left first ends. */
const MAX_LINGERING = 100;

/**
 * The queries whose present fetch has called `queryFn`, or whose last fetch has. Other data may be of any age: a persister
 * restored it, or a server sent it. Two bindings of one query must know of each other's loads, so they share this.
 */
const loaded = new WeakSet<Query>();

/** What one call of `live` says about a query. */
interface Dependency extends LiveRules<never> {
  readonly topics: readonly string[];
}

/** The subscription to some topics. */
interface Feed {
  /** The queries that depend on the topics, shown or not. */
  readonly members: Map<Live, Dependency>;
  subscription?: Subscription;
  /** Loads wait for this: the topics are in force or refused, or the patience is over. */
  opening?: Promise<unknown> | undefined;
  /** All topics are in force, so each event is heard. */
  isInForce: boolean;
  lingerTimer?: ReturnType<typeof setTimeout>;
  end(): void;
}

/** A query that depends on topics. */
interface Live {
  readonly query: Query;
  readonly feeds: Set<Feed>;
  /** A component shows it. */
  isShown?: boolean;
  /** The data may be older than the last event. */
  isStale: boolean;
  /** The call of `queryFn` that runs, or that waits for the topics. */
  call?: object | undefined;
  /** The fetch that runs has called `queryFn`. */
  isLoading?: boolean;
  /** The last write of this client that began before the last fetch ended. */
  lastCovered: number;
  /** No load begins before this time, in milliseconds of `performance.now()`. */
  notBefore: number;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

/** Binds the queries of a cache to the topics of a client. Returns the function that makes the options of a query. */
export function bind(
  client: Client,
  queryClient: QueryClientLike,
  { onError, minInterval = MIN_INTERVAL_MS, linger = LINGER_MS }: LiveQueriesOptions,
): (topics: readonly string[], rules?: LiveRules<never>) => LiveOptions {
  const { origin, state, report } = client.inner;
  const cache = queryClient.getQueryCache();
  const feeds = new Map<string, Feed>();
  /** The feeds that no component needs. The first one was left first. */
  const lingering = new Set<Feed>();
  const lives = new Map<Query, Live>();
  /** What the options that `live` returned depend on, by their `persister`. */
  const dependencies = new WeakMap<object, Dependency>();

  cache.subscribe(({ type, query, action }: CacheEvent) => {
    if (action?.type === "fetch") loaded.delete(query);
    if (/^observer.*d$/.test(type)) look(query);
    const live = lives.get(query);
    if (!live) return;
    if (action) updated(live, action);
    if (type === "removed") {
      ended(live, query.state.fetchStatus !== "idle");
      schedule(live);
    }
    if (!isCached(query) && !query.observers.length) forget(live);
  });

  const isCached = (query: Query) => cache.get(query.queryHash) === query;

  /** What a component depends on, if it lets the query fetch. */
  function dependencyOf({ options: { enabled, persister } }: Observer, query: Query): Dependency | undefined {
    const isEnabled = (typeof enabled === "function" ? enabled(query) : enabled) !== false;
    return isEnabled && persister ? dependencies.get(persister) : undefined;
  }

  /** Looks which components show a query. */
  function look(query: Query): void {
    let isShown = false;
    for (const observer of query.observers) {
      const dependency = dependencyOf(observer, query);
      if (!dependency) continue;
      join(query, dependency);
      isShown = true;
    }
    const live = lives.get(query);
    if (!live) return;
    // Not each time: a query whose load has failed must not be loaded again because a component renders.
    if (isShown && !live.isShown) schedule(live);
    live.isShown = isShown;
    live.feeds.forEach(keep);
  }

  /** Lets a query hear the events of its topics. */
  function join(query: Query, dependency: Dependency): Live {
    const key = [...dependency.topics].sort().join(" ");
    const feed = feeds.get(key) ?? subscribe(dependency.topics, () => feeds.delete(key));
    feeds.set(key, feed);
    let live = lives.get(query);
    if (!live) {
      live = {
        query,
        feeds: new Set(),
        // Its data is older than the subscription: it was hydrated, restored, or loaded without the topics.
        isStale: query.state.data !== undefined,
        lastCovered: origin.writes,
        notBefore: 0,
      };
      lives.set(query, live);
      // A fetch that runs already began before the subscription.
      loaded.delete(query);
    }
    live.feeds.add(feed);
    feed.members.set(live, dependency);
    return live;
  }

  function subscribe(topics: readonly string[], onEnd: () => void): Feed {
    const members: Feed["members"] = new Map();
    const all = (call: (live: Live) => void) => [...members.keys()].forEach(call);
    const feed: Feed = {
      members,
      isInForce: false,
      end() {
        onEnd();
        lingering.delete(feed);
        feed.subscription?.unsubscribe();
        // From now on events are missed.
        all((live) => {
          live.feeds.delete(feed);
          changed(live);
          if (!live.feeds.size) forget(live);
        });
      },
    };
    const failed = (error: TidingsError) => {
      // The event may have changed anything. So may the events of a topic that is lost.
      feed.isInForce &&= error.code === "invalid_event";
      all(changed);
      if (onError) onError(error);
      // The client has told of its own end.
      else if (client.status !== "closed") state.error(error);
    };
    const hear = (event: never, meta: EventMeta) => {
      for (const [live, dependency] of members) if (concerns(dependency, event, meta, live)) changed(live);
    };
    feed.opening = new Promise((resolve) => {
      setTimeout(resolve, PATIENCE_MS);
      feed.subscription = client.subscribe(topics as readonly never[], hear, {
        onSync: () => all(changed),
        // A load that failed while the server was away may succeed now.
        onResume: () => all(schedule),
        onError: failed,
      });
      feed.subscription.ready
        .then(() => {
          feed.isInForce = true;
          // What was loaded before may have missed events.
          all(changed);
        })
        .then(resolve, resolve);
    })
      .catch(failed)
      .then(() => {
        feed.opening = undefined;
      });
    return feed;
  }

  function concerns(
    { concerns, skipOwn = false }: Dependency,
    event: never,
    meta: EventMeta,
    live: Live,
  ): boolean {
    try {
      if (concerns?.(event, meta) === false) return false;
      const isShown = meta.own && shows(live, writeOf(meta));
      return !(isShown && (typeof skipOwn === "function" ? skipOwn(event, meta) : skipOwn));
    } catch (error) {
      report(error);
      return true;
    }
  }

  /**
   * Returns whether the page still shows an own write. It may not if a fetch ran since the write began, or if another
   * write began since: the store may have taken the two in the other order.
   */
  const shows = ({ query, lastCovered }: Live, write: number) =>
    isCached(query) && query.state.fetchStatus === "idle" && write > lastCovered && write === origin.writes;

  /** Ends a subscription later if no component needs it. */
  function keep(feed: Feed): void {
    clearTimeout(feed.lingerTimer);
    lingering.delete(feed);
    for (const { isShown } of feed.members.keys()) if (isShown) return;
    lingering.add(feed);
    feed.lingerTimer = setTimeout(feed.end, linger);
    // In Node.js this timer does not hold the process.
    (feed.lingerTimer as { unref?(): void }).unref?.();
    const [first] = lingering;
    if (lingering.size > MAX_LINGERING) first?.end();
  }

  function forget(live: Live): void {
    live.call = live.isShown = undefined as never;
    lives.delete(live.query);
    for (const feed of live.feeds) {
      feed.members.delete(live);
      keep(feed);
    }
  }

  /** Calls `queryFn` when the topics are in force. */
  async function load(
    live: Live,
    queryFn: (context: unknown) => unknown,
    context: unknown,
  ): Promise<unknown> {
    const { query } = live;
    // A retry is a part of its fetch, unlike a call that takes the place of one that still runs.
    const isFirst = !live.isLoading || live.call;
    const call = {};
    live.call = call;
    try {
      for (const { opening } of live.feeds) if (opening) await opening;
      // The fetch was cancelled.
      if (live.call !== call) throw new Error("The fetch was cancelled.");
      live.isLoading = true;
      pause(live);
      loaded.add(query);
      // The next page of an infinite query leaves the other pages as they are.
      if (isFirst && !query.state.fetchMeta?.fetchMore) live.isStale = false;
      return await queryFn(context);
    } finally {
      if (live.call === call) live.call = undefined;
    }
  }

  /** The data may have changed. */
  function changed(live: Live): void {
    live.isStale = true;
    if (live.query.state.data !== undefined) live.query.invalidate();
    schedule(live);
  }

  /** The state of a query has changed. */
  function updated(live: Live, { type, manual }: Action): void {
    const { query } = live;
    const { data, fetchStatus } = query.state;
    if (type === "fetch") {
      // If the fetch before has not ended, this one took its place.
      live.isStale ||= !!live.isLoading;
      live.isLoading = false;
    }
    if (type === "invalidate") live.isStale = true;
    if (type === "error") ended(live, true);
    if (type === "success") {
      if (!manual) ended(live, !loaded.has(query));
      // The new data has cleared the mark.
      if (live.isStale) changed(live);
    }
    if (type === "setState") {
      // The fetch was cancelled, or somebody else put data into the cache.
      if (fetchStatus === "idle") ended(live, true);
      live.isStale = true;
      pause(live);
      if (data !== undefined) schedule(live);
    }
  }

  /** The fetch has ended. */
  function ended(live: Live, isStale = false): void {
    live.isStale ||= isStale;
    live.isLoading = false;
    live.call = undefined;
    live.lastCovered = origin.writes;
  }

  /** Loads again as soon as that is allowed and possible. A query that no component shows is only marked. */
  function schedule(live: Live): void {
    const { query } = live;
    if (live.isStale)
      live.timer ??= setTimeout(() => {
        live.timer = undefined;
        if (!live.isStale || (query.state.fetchStatus !== "idle" && isCached(query))) return;
        for (const observer of [...query.observers])
          if (dependencyOf(observer, query)) observer.refetch({ cancelRefetch: false });
      }, live.notBefore - performance.now());
  }

  function pause(live: Live): void {
    live.notBefore = performance.now() + minInterval;
  }

  const isFresh = (query: object): boolean => {
    const live = lives.get(query as Query);
    return !!live && !live.isStale && [...live.feeds].every((feed) => feed.isInForce);
  };
  const staleTime = (query: object) => (isFresh(query) && client.status === "open" ? Infinity : 0);
  // After a reconnect the client knows what was missed.
  const refetchOnReconnect = (query: object) => !isFresh(query);

  return (topics, rules) => {
    const persister: Persister = (queryFn, context, query) => {
      let live = lives.get(query);
      // A fetch that no component shows subscribes too: a prefetch, or a component that suspends. A server does not.
      if (!live && typeof window !== "undefined" && isCached(query)) {
        live = join(query, dependency);
        live.feeds.forEach(keep);
      }
      const run: typeof queryFn = (context) => (live ? load(live, queryFn, context) : queryFn(context));
      const { queries } = queryClient.getDefaultOptions() as { queries?: { persister?: Persister } };
      return queries?.persister ? queries.persister(run, context, query) : run(context);
    };
    const dependency = { topics, ...rules };
    dependencies.set(persister, dependency);
    return { persister, staleTime, refetchOnReconnect };
  };
}
