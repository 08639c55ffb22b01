// The parts of TanStack Query that `tidings/query` uses. They are written down here, because a project that has only
// `@tanstack/react-query` cannot resolve `@tanstack/query-core` under pnpm.

/** The parts of TanStack Query's `QueryClient` that are used. */
export interface QueryClientLike {
  getQueryCache(): QueryCacheLike;
  getDefaultOptions(): object;
}

/** The parts of `QueryCache` that are used. */
export interface QueryCacheLike {
  subscribe(listener: (event: never) => void): () => void;
  get(queryHash: string): object | undefined;
}

/** A query of the cache. */
export interface Query {
  readonly queryHash: string;
  readonly state: {
    readonly data: unknown;
    readonly status: "pending" | "success" | "error";
    readonly fetchStatus: "fetching" | "paused" | "idle";
    readonly fetchMeta: { fetchMore?: unknown } | null;
  };
  readonly observers: readonly Observer[];
  invalidate(): void;
}

/** What shows a query: a `useQuery` of a mounted component. */
export interface Observer {
  readonly options: {
    readonly enabled?: boolean | ((query: Query) => boolean);
    readonly persister: object;
  };
  refetch(options: { cancelRefetch: boolean }): unknown;
}

/** What the query cache tells its listeners, synchronously. */
export interface CacheEvent {
  readonly type: string;
  readonly query: Query;
  readonly action?: Action;
}

/** A change of a query's state. */
export interface Action {
  readonly type: "fetch" | "success" | "error" | "setState" | "invalidate" | "failed" | "pause" | "continue";
  /** The data came from `setQueryData`, not from a fetch. */
  readonly manual?: boolean;
}

/** Calls the query's `queryFn`. For an infinite query it loads all pages. */
export type QueryFn = (context: unknown) => unknown;

/** TanStack Query's hook around each call of a `queryFn`. */
export type Persister = (queryFn: QueryFn, context: unknown, query: Query) => unknown;
