// The views that React components show. All components that show the same data share a view.

import type { Client } from "./client.js";
import type { TidingsError } from "./errors.js";
import type { UntypedEvent } from "./topics.js";
import type { EventMeta, WatchOptions } from "./types.js";
import type { WatchHandle } from "./watch.js";

/** Milliseconds that a view lingers after its last component is gone: a user who comes back soon sees the data at once. */
export const LINGER_MS = 30_000;

/** Milliseconds that a subscription lingers. A component that is mounted again at once costs the server nothing. */
export const SUBSCRIPTION_LINGER_MS = 1_000;

/**
 * Views and subscriptions of a client that linger. Beyond it, the oldest ends. A client has room for twice as many. So a
 * long list that is hidden for a moment comes back as it was.
 */
export const MAX_LINGERING = 2_000;

/** The longest time that anything lingers, in milliseconds: 11 days. A timer would take twice as many for zero. */
const MAX_LINGER_MS = 1e9;

/** A name for what `load` loads. */
export type Key = string | readonly unknown[];

/** What a component wants of its view. */
export interface Wanted {
  load: (signal: AbortSignal) => unknown;
  key?: Key;
  concerns?: (event: never, meta: EventMeta) => boolean;
  skipOwn?: boolean | ((event: never, meta: EventMeta) => boolean);
  minInterval?: number;
  linger?: number;
}

/** What a component shows of its view. */
export interface Shown {
  readonly data?: unknown;
  readonly error?: TidingsError | undefined;
  readonly isLoading: boolean;
  readonly isStale: boolean;
}

/** A view that nobody asks for yet. */
export const IDLE: Shown = { isLoading: false, isStale: false };

/** A view that has not begun. */
export const BEGINS: Shown = { ...IDLE, isLoading: true };

/** What a component wanted when it was rendered last. */
type Latest = { readonly current: Wanted };

/** A watch, its last data, and the components that show them. */
export interface View {
  shown: Shown;
  /** A component shows the view from now on. Returns the function that ends this. */
  join(tell: () => void, latest: Latest): () => void;
  /** Loads now. Asks again for topics that were refused. */
  reload(): void;
  setData(change: (data: never) => unknown): void;
}

/** The ends of views and subscriptions that no component uses, and their timers. The oldest is the first. */
type Lingering = Map<() => void, ReturnType<typeof setTimeout>>;

/** What a client has for its components. */
type Shelf = readonly [views: Map<string, View>, lingering: Lingering];

const shelves = new WeakMap<Client, Shelf>();

export const shelfOf = (client: Client): Shelf => ofEach(shelves, client, () => [new Map(), new Map()]);

/** Returns what the map has for this object. Makes it at the first call. */
export function ofEach<K extends object, V>(map: WeakMap<K, V>, of: K, make: () => V): V {
  const value = map.get(of) ?? make();
  map.set(of, value);
  return value;
}

/** Calls `end` after this time, or earlier if too many linger. */
export function linger(lingering: Lingering, end: () => void, ms: number): void {
  const timer = setTimeout(() => finish(lingering, end), Math.min(ms, MAX_LINGER_MS));
  // In Node.js it must not hold the process.
  (timer as { unref?(): void }).unref?.();
  lingering.set(end, timer);
  // React unmounts all components of a commit before it mounts the others.
  queueMicrotask(() => trim(lingering, MAX_LINGERING));
}

/** Ends the oldest until so many are left. */
function trim(lingering: Lingering, size: number): void {
  for (const end of lingering.keys()) if (lingering.size > size) finish(lingering, end);
}

function finish(lingering: Lingering, end: () => void): void {
  keep(lingering, end);
  end();
}

/** It does not linger any more. */
function keep(lingering: Lingering, end: () => void): void {
  clearTimeout(lingering.get(end));
  lingering.delete(end);
}

/** Makes a view. It begins when the first component joins. */
export function viewOf(client: Client, id: string, topics: readonly string[], begins: Shown): View {
  const [views, lingering] = shelfOf(client);
  const components = new Map<() => void, Latest>();
  let last: Latest;
  let watch: WatchHandle | undefined;
  let off: (() => void) | undefined;
  let data: { is: unknown } | undefined;
  let loadError: TidingsError | undefined;
  /** A topic was refused, or the watch has ended. */
  let topicError: TidingsError | undefined;
  /** Since the last load began there was an event that concerned no component of that time. */
  let leftOut = false;

  /** What the components want. The last one counts while the view lingers. */
  const wanted = () => [...(components.size ? components.values() : [last])].map(({ current }) => current);

  const update = () => {
    const error = topicError ?? loadError;
    const is = {
      data: data?.is,
      error,
      isLoading: !watch?.hasEnded && (watch?.view.isLoading || !(data || error)),
      isStale: Boolean(data && (error || !watch?.isCurrent)),
    };
    const keys = Object.keys(is) as (keyof Shown)[];
    if (keys.every((key) => is[key] === view.shown[key])) return;
    view.shown = is;
    for (const tell of components.keys()) tell();
  };

  /** Asks for all topics. */
  const begin = () => {
    watch?.unsubscribe();
    topicError = undefined;
    const options = {
      minInterval: last.current.minInterval,
      load(signal: AbortSignal) {
        leftOut = false;
        return wanted()[0]?.load(signal);
      },
      concerns(event: never, meta: EventMeta) {
        const concerned = wanted().some(({ concerns }) => concerns?.(event, meta) !== false);
        leftOut ||= !concerned;
        return concerned;
      },
      skipOwn: (event: never, meta: EventMeta) =>
        wanted().every(({ skipOwn }) => (typeof skipOwn === "function" ? skipOwn(event, meta) : skipOwn)),
      onChange: update,
      onData(is: unknown) {
        data = { is };
        loadError = undefined;
        update();
      },
      onError(error: TidingsError) {
        if (error.code === "load_failed") loadError = error;
        else {
          topicError = error;
          // There is no room for a topic. What lingers takes room.
          if (error.retryable) trim(lingering, 0);
        }
        update();
      },
      onNotice() {
        // All topics that waited for room are in force.
        if (watch?.isWhole) topicError = undefined;
      },
    };
    watch = client.watch(
      topics as string[],
      options as unknown as WatchOptions<UntypedEvent, unknown>,
    ) as WatchHandle;
    off ??= client.on("status", update);
    update();
  };

  const end = () => {
    watch?.unsubscribe();
    off?.();
    views.delete(id);
  };

  const view: View = {
    shown: begins,
    join(tell, latest) {
      components.set(tell, latest);
      last = latest;
      keep(lingering, end);
      if (components.size === 1)
        if (watch?.isWhole) watch.resume();
        else begin();
      if (leftOut) watch?.reload();
      // Not if `begin` threw, because no such view can be meant.
      views.set(id, view);
      return () => {
        components.delete(tell);
        if (components.size) return;
        if (watch?.hasEnded) return end();
        watch?.pause();
        linger(lingering, end, latest.current.linger ?? LINGER_MS);
      };
    },
    reload() {
      if (watch?.isWhole) watch.reload();
      else begin();
    },
    setData(change) {
      data = { is: change(data?.is as never) };
      update();
    },
  };
  return view;
}
