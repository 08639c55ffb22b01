// Between a client and a query cache: which queries depend on which topics, and which queries are shown.

import type { Client } from "./client.js";
import type { TidingsError } from "./errors.js";
import { writeOf } from "./origin.js";
import type { LiveOptions, LiveQueriesOptions, LiveRules } from "./query.js";
import { createLive, type Feed, type Live, loaded } from "./query-live.js";
import type { CacheEvent, Persister, Query, QueryClientLike, QueryFn } from "./query-tanstack.js";
import type { EventMeta, Subscription } from "./types.js";

/** The least time between the starts of two loads of a query, unless the user names another. */
const MIN_INTERVAL_MS = 300;

/** How long the first load of a query waits for its topics: data is not withheld because no server can be reached. */
const PATIENCE_MS = 3_000;

/** How long a subscription goes on when no component shows its queries any more, unless the user names another time. */
const LINGER_MS = 30_000;

/** The longest time that a subscription lingers, in milliseconds: 11 days. A timer would take `Infinity` for zero. */
const MAX_LINGER_MS = 1e9;

/** How many subscriptions may go on without a component. Beyond it, the one that was left first ends. */
const MAX_LINGERING = 100;

/** What one call of `live` says about a query. */
interface Dependency {
  /** Its topics, in order, with a space between them. */
  readonly topics: string;
  readonly rules: LiveRules<never>;
}

type Member = Live<MemberFeed>;

interface MemberFeed extends Feed {
  /** The queries that depend on the topics, shown or not. */
  readonly members: Map<Member, Dependency>;
}

/** Binds the queries of a cache to the topics of a client. Returns the function that makes the options of a query. */
export function bind(
  client: Client,
  queryClient: QueryClientLike,
  { minInterval = MIN_INTERVAL_MS, linger = LINGER_MS }: LiveQueriesOptions = {},
): (topics: string | readonly string[], rules?: LiveRules<never>) => LiveOptions {
  const { origin, state, report } = client.inner;
  const cache = queryClient.getQueryCache();
  const feeds = new Map<string, MemberFeed>();
  /** The ends of the feeds that no component needs. The first one was left first. */
  const lingering = new Set<() => void>();
  const lives = new Map<Query, Member>();
  /** What the options that `live` returned depend on, by their `persister`. */
  const dependencies = new WeakMap<object, Dependency>();

  const isCached = (query: Query) => cache.get(query.queryHash) === query;

  /** The components that show a query and let it fetch. */
  const shownBy = (query: Query) =>
    query.observers.filter(
      ({ options: { enabled, persister } }) =>
        dependencies.has(persister) && (typeof enabled === "function" ? enabled(query) : enabled) !== false,
    );

  cache.subscribe(({ type, query, action }: CacheEvent) => {
    if (action?.type === "fetch") loaded.delete(query);
    // A component has come, has gone, or has other options.
    if (type[0] === "o") {
      const shown = shownBy(query);
      for (const { options } of shown) join(query, dependencies.get(options.persister) as Dependency);
      show(lives.get(query), !!shown[0]);
    }
    const live = lives.get(query);
    if (!live) return;
    if (action) live.updated(action);
    if (type === "removed") {
      live.ended(query.state.fetchStatus !== "idle");
      live.schedule();
    }
    if (!isCached(query) && !query.observers.length) forget(live);
  });

  /** Begins a fetch in the components that show a query. One that was removed from the cache cannot fetch by itself. */
  function refetch(query: Query): void {
    if (query.state.fetchStatus !== "idle" && isCached(query)) return;
    for (const observer of shownBy(query)) observer.refetch({ cancelRefetch: false });
  }

  /** Lets a query hear the events of its topics. */
  function join(query: Query, dependency: Dependency): Member {
    const feed = feeds.get(dependency.topics) ?? subscribe(dependency.topics);
    const live = lives.get(query) ?? createLive(query, origin, minInterval, refetch);
    lives.set(query, live);
    live.feeds.add(feed);
    feed.members.set(live, dependency);
    return live;
  }

  /** A query is shown from now on, or not. */
  function show(live: Member | undefined, isShown: boolean): void {
    if (!live) return;
    // Not each time: a load that failed must not be tried again at each render.
    if (isShown && !live.isShown) live.schedule();
    live.isShown = isShown;
    for (const feed of live.feeds) feed.keep();
  }

  function forget(live: Member): void {
    lives.delete(live.query);
    for (const feed of live.feeds) {
      feed.members.delete(live);
      feed.keep();
    }
  }

  function subscribe(topics: string): MemberFeed {
    const members: MemberFeed["members"] = new Map();
    let subscription: Subscription | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const all = (call: (live: Member) => void) => [...members.keys()].forEach(call);
    const changed = () => all((live) => live.changed());

    function hear(event: never, meta: EventMeta): void {
      for (const [live, { rules }] of members) if (concerns(live, rules, event, meta)) live.changed();
    }

    function failed(error: TidingsError): void {
      // An event that cannot be read may have changed anything. So may the events of a topic that is lost.
      feed.isInForce &&= error.code === "invalid_event";
      changed();
      // The client has told of its own end.
      if (client.status !== "closed") state.error(error);
    }

    function keep(): void {
      clearTimeout(timer);
      lingering.delete(end);
      for (const { isShown } of members.keys()) if (isShown) return;
      lingering.add(end);
      timer = setTimeout(end, Math.min(linger, MAX_LINGER_MS));
      const [first] = lingering;
      if (lingering.size > MAX_LINGERING) first?.();
    }

    function end(): void {
      feeds.delete(topics);
      lingering.delete(end);
      subscription?.unsubscribe();
      // From now on events are missed.
      changed();
      all((live) => {
        live.feeds.delete(feed);
        if (!live.feeds.size) forget(live);
      });
    }

    const feed: MemberFeed = { members, keep };
    feed.opening = new Promise<void>((resolve) => {
      setTimeout(resolve, PATIENCE_MS);
      // A load that failed while the server was away may succeed after `onResume`.
      const onResume = () => all((live) => live.schedule());
      const options = { onSync: changed, onResume, onError: failed };
      // A client that is closed fails before this returns.
      subscription = client.subscribe(topics.split(" ") as never[], hear, options);
      const ready = subscription.ready.then(() => {
        feed.isInForce = true;
        // What was loaded before may have missed events.
        changed();
      });
      ready.then(resolve, resolve);
    }).catch(failed);
    feeds.set(topics, feed);
    return feed;
  }

  /** Whether an event may have changed the data. */
  function concerns(
    live: Member,
    { concerns, skipOwn }: LiveRules<never>,
    event: never,
    meta: EventMeta,
  ): boolean {
    try {
      if (concerns?.(event, meta) === false) return false;
      // A query that was removed from the cache does not show what `setQueryData` wrote.
      const isShown = meta.own && isCached(live.query) && live.shows(writeOf(meta));
      return !(isShown && (typeof skipOwn === "function" ? skipOwn(event, meta) : skipOwn));
    } catch (error) {
      report(error);
      return true;
    }
  }

  const isFresh = (query: object) => !!lives.get(query as Query)?.isFresh();
  const staleTime = (query: object) => (isFresh(query) && client.status === "open" ? Infinity : 0);
  // After a reconnect the client knows what was missed.
  const refetchOnReconnect = (query: object) => !isFresh(query);

  return (topics, rules = {}) => {
    const dependency = { topics: [topics].flat().sort().join(" "), rules };
    const persister: Persister = (queryFn, context, query) => {
      let live = lives.get(query);
      // A fetch that no component shows subscribes too: a prefetch, or a component that suspends. A server does not.
      if (!live && typeof window !== "undefined" && isCached(query)) {
        live = join(query, dependency);
        show(live, false);
      }
      const load: QueryFn = (context) => (live ? live.load(queryFn, context) : queryFn(context));
      const { queries = {} }: { queries?: { persister?: Persister } } = queryClient.getDefaultOptions();
      const { persister: through = (load: QueryFn, context: unknown) => load(context) } = queries;
      return through(load, context, query);
    };
    dependencies.set(persister, dependency);
    return { persister, staleTime, refetchOnReconnect };
  };
}
