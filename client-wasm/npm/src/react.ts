// The entry `tidings/react`: hooks. It needs React 18 or later.

import * as React from "react";
import type { Client } from "./client.js";
import type { TidingsError } from "./errors.js";
import {
  BEGINS,
  IDLE,
  type Key,
  linger,
  ofEach,
  type Shown,
  SUBSCRIPTION_LINGER_MS,
  shelfOf,
  type View,
  viewOf,
  type Wanted,
} from "./react-views.js";
import type { EventOf } from "./topics.js";
import type { EventMeta, Handler, Status, SubscribeOptions, WatchOptions } from "./types.js";

/** How often in a row a `load` without a key may be new because its own data came. */
const MAX_NEW_LOADS = 2;

const ClientContext = React.createContext<Client | undefined>(undefined);

/**
 * Gives a client to the components below. It does not close the client: whoever created it does, or nobody.
 *
 * ```tsx
 * const client = createClient();
 *
 * createRoot(root).render(
 *   <TidingsProvider client={client}>
 *     <App />
 *   </TidingsProvider>,
 * );
 * ```
 */
export function TidingsProvider(props: { client: Client; children?: React.ReactNode }): React.ReactElement {
  return React.createElement(ClientContext.Provider, { value: props.client }, props.children);
}

/**
 * Returns the client of the nearest `TidingsProvider`. Throws if there is none. The type of your client gives `publish` the
 * events of its domains: `useClient<typeof client>()`.
 */
export function useClient<C extends Client = Client>(): C {
  const client = React.useContext(ClientContext);
  if (!client) throw new Error("There is no TidingsProvider.");
  return client as C;
}

/** Returns where the client stands. On a server it is `idle`. */
export function useStatus(): Status {
  const client = useClient();
  const subscribe = React.useCallback((tell: () => void) => client.on("status", tell), [client]);
  return React.useSyncExternalStore(
    subscribe,
    () => client.status,
    () => "idle",
  );
}

/** Topics of a hook. `null`, `undefined` or an empty list: nothing yet. */
export type HookTopics<T extends string> = T | readonly T[] | null | undefined;

/** Options of `useSubscription`. */
export interface UseSubscriptionOptions extends Omit<SubscribeOptions, "signal"> {
  /** Called when the topics are in force: every event that is published from then on arrives. Load your data here. */
  onReady?: () => void;
}

/**
 * Subscribes to a topic, or to several, while the component is mounted. `handler` is called with each event once, in
 * the order of the server's log.
 *
 * The functions of the last render are called. The component subscribes again only if the topics change, and not
 * because their list is a new one. To show data, use `useWatch`, which loads it at the right moments.
 *
 * ```tsx
 * useSubscription(staff.topics.people, (event) => toast(event.event));
 * ```
 */
export function useSubscription<const T extends string>(
  topics: HookTopics<T>,
  handler: Handler<EventOf<T>>,
  options: UseSubscriptionOptions = {},
): void {
  const client = useClient();
  const latest = useLatest({ ...options, handler } as Callbacks);
  const id = idOf(topics);
  React.useEffect(() => {
    if (!id) return;
    let isMounted = true;
    // The client reads an option when it needs it.
    const now = new Proxy({} as Callbacks, {
      get: (_, name: keyof Callbacks) => (isMounted ? latest.current : SILENT)[name],
    });
    const subscription = client.subscribe(
      topicsOf(id),
      (event: unknown, meta: EventMeta) => now.handler?.(event as never, meta),
      now as SubscribeOptions,
    );
    subscription.ready.then(
      () => now.onReady?.(),
      () => {},
    );
    return () => {
      isMounted = false;
      linger(shelfOf(client)[1], () => subscription.unsubscribe(), SUBSCRIPTION_LINGER_MS);
    };
  }, [client, id, latest]);
}

type Callbacks = UseSubscriptionOptions & { handler?: Handler<never> };

/** The callbacks of a component that is gone. */
const SILENT: Callbacks = { onError() {}, onSync() {} };

/** Options of `useWatch`. */
export interface UseWatchOptions<E, Data> extends Pick<WatchOptions<E, Data>, "load" | "concerns"> {
  /**
   * A name for what `load` loads, such as `"people"` or `["people", team]`. A list is compared by its JSON.
   *
   * Components with the same topics and the same key share one view: one load, and the same data. **The key and the
   * topics must name everything that `load` reads from the component**, as `team` here. When one of them changes, it is
   * another view, which loads.
   *
   * Without a key, the function itself is the name. So it must stay the same from render to render: define it outside
   * of the component, or use `useCallback` or the React Compiler. If it is new at each render, the hook throws.
   */
  key?: Key;
  /**
   * The least time between the starts of two loads, in milliseconds. The default is 250. A view keeps that of its first
   * component.
   */
  minInterval?: number;
  /**
   * `true`, or a function that returns whether to skip an event: no load for an event that this client caused, because
   * the page showed the write at once, by `setData`. Call `reload` if the write fails, or may have failed. The rules are
   * those of `client.watch`.
   */
  skipOwn?: WatchOptions<E, Data>["skipOwn"];
  /**
   * For how many milliseconds the view lingers after its last component is gone. The default is 30,000. Meanwhile it
   * keeps its data and its subscription, and loads nothing. A component that is mounted again shows the data at once,
   * and loads only if something was missed. At most 2,000 views linger; then the oldest ends.
   */
  linger?: number;
}

/** What `useWatch` returns. The object stays the same until something in it changes. */
export interface Watched<Data> {
  /** The data of the last load. `undefined` before the first. */
  readonly data: Data | undefined;
  /**
   * The error of the last load (`load_failed`, with its `cause`), or of a topic that was refused. The data of an earlier
   * load stays. If the error is `retryable`, the client tries again by itself.
   */
  readonly error: TidingsError | undefined;
  /** A load runs, or the first one is still to come. */
  readonly isLoading: boolean;
  /**
   * The data may be out of date: it is being loaded again, the connection is not open, or there is an error. If this is
   * `false`, the data is what the server had after the last event.
   */
  readonly isStale: boolean;
  /** Loads now. If a topic was refused, it asks for the topics again. */
  reload(): void;
  /** Shows what the function makes of the present data, until the next load. Components that share the view show it too. */
  setData(change: (data: Data | undefined) => Data): void;
}

/**
 * Keeps data up to date while the component is mounted, as `client.watch` does: it subscribes, then loads, and loads
 * again after each event and whenever events may have been lost.
 *
 * ```tsx
 * function People({ team }: { team: string }) {
 *   const { data, error } = useWatch(staff.topics.people, {
 *     key: ["people", team],
 *     load: (signal) => fetch(`/api/people?team=${team}`, { signal }).then((answer) => answer.json()),
 *   });
 *   if (!data) return <p>{error ? error.message : "Loading …"}</p>;
 *   return <List people={data} />;
 * }
 * ```
 */
export function useWatch<const T extends string, Data>(
  topics: HookTopics<T>,
  options: UseWatchOptions<EventOf<T>, Data>,
): Watched<Data> {
  const client = useClient();
  const [views] = shelfOf(client);
  const wanted = options as unknown as Wanted;
  const latest = useLatest(wanted);
  const { key, load } = wanted;
  const [name, first] = key === undefined ? nameOf(load) : ([key, BEGINS] as const);
  const id = idOf(topics, name);
  const begins = id ? first : IDLE;
  const shown = React.useSyncExternalStore(
    React.useCallback(
      (tell) =>
        id ? (views.get(id) ?? viewOf(client, id, topicsOf(id), begins)).join(tell, latest) : () => {},
      [client, views, id, latest, begins],
    ),
    () => views.get(id)?.shown ?? begins,
    () => begins,
  );
  useSteadyLoad(views, id, wanted, shown);
  const calls = React.useMemo(
    () => ({
      reload: () => views.get(id)?.reload(),
      setData: (change: (data: never) => unknown) => views.get(id)?.setData(change),
    }),
    [views, id],
  );
  return React.useMemo(() => ({ ...shown, ...calls }) as Watched<Data>, [shown, calls]);
}

/** Returns a box with the value of the last render that was committed. */
function useLatest<V>(value: V): { current: V } {
  const latest = React.useRef(value);
  // Effects run in their order: those after this one find the new value.
  React.useEffect(() => {
    latest.current = value;
  });
  return latest;
}

/**
 * Throws if each render makes a new `load` without a key. Each would be another view, so its data would cause a render,
 * the render a load, and so on. A function is also new when its dependencies change. Then its own data is not the cause.
 */
function useSteadyLoad(
  views: ReadonlyMap<string, View>,
  id: string,
  { key, load }: Wanted,
  shown: Shown,
): void {
  const last = React.useRef({ id, load, shown });
  const news = React.useRef(0);
  React.useEffect(() => {
    const before = last.current;
    last.current = { id, load, shown };
    if (key !== undefined || load === before.load) news.current = 0;
    else if ((views.get(before.id) ?? before).shown !== before.shown && ++news.current > MAX_NEW_LOADS)
      throw new Error("useWatch: `load` is new at each render. Give a `key`.");
  });
}

const names = new WeakMap<object, [name: number, begins: Shown]>();
let functions = 0;

/**
 * Names a function. Its views begin with an object of their own: if a new function at a render left the hook with an equal
 * object, React would think that nothing has changed, and would keep the old view.
 */
const nameOf = (load: object) => ofEach(names, load, (): [number, Shown] => [++functions, { ...BEGINS }]);

/** Names topics and what is wanted of them. The name is empty if there are no topics yet. */
function idOf(topics: string | readonly string[] | null | undefined, name?: unknown): string {
  return topics?.length ? JSON.stringify([[topics].flat().sort(), name]) : "";
}

const topicsOf = (id: string): string[] => JSON.parse(id)[0];
