// `Symbol.dispose` needs it in a project with an older `lib`.
/// <reference lib="esnext.disposable" preserve="true" />
import type { TidingsError } from "./errors.js";
import type { Domain } from "./topics.js";

/**
 * Where a client stands.
 *
 * - `idle`: it has no connection, because nothing is asked of it.
 * - `connecting`: it loads its core or connects.
 * - `open`: it is connected, and events arrive.
 * - `degraded`: it is connected, but its server hears nothing from its journal. Events come late, and data may be out of
 *   date. Loads and publishes go on; a publish may fail with `overloaded`. `open` follows when all events have arrived.
 * - `reconnecting`: it lost the connection, or could not connect, and waits before the next attempt.
 * - `closed`: it was closed for good, by `close()` or by an error (`client.lastError`).
 */
export type Status = "idle" | "connecting" | "open" | "degraded" | "reconnecting" | "closed";

/** The circumstances of an event. */
export interface EventMeta {
  /** The topics of the event that the subscription has. */
  readonly topics: readonly string[];
  /** The event's position in the server's log. Opaque. */
  readonly position: string;
  /** The key of the publication, a UUID. It is the same whenever the event arrives. */
  readonly key: string;
  /** When the event was published, in milliseconds since 1970 by the server's clock. */
  readonly at: number;
  /** The mark that the publisher gave the event, if it gave one. */
  readonly origin?: string;
  /** Whether this client caused the event: by `publish`, or by a request that carried `client.writeHeaders()`. */
  readonly own: boolean;
  /** Whether the event was checked against its type. It was not if the client does not know its domain, or the domain lacks its name. */
  readonly decoded: boolean;
}

/** Events may have been missed: load again. */
export interface Sync {
  /** The topics whose events may have been missed. */
  readonly topics: readonly string[];
  /** All events after this position follow. Opaque, and empty if the client does not know it. */
  readonly position: string;
}

/** Options of `createClient`. */
export interface ClientOptions<D extends Domain | string = Domain | string> {
  /**
   * The URL of the server's WebSocket: `ws:`, `wss:`, `http:`, `https:`, or relative to the page. The default is
   * `/v1/ws`.
   */
  url?: string | URL;
  /**
   * The domains that this client knows, at most 64.
   *
   * - A domain of a generated module: its topics and events are typed, and the client checks its events.
   * - The name of a domain without a type: you mean it. A domain that neither the client nor the server knows may be a
   *   typo, and then no event ever arrives. So the console warns once of each such domain that is not in this list.
   *
   * ```ts
   * createClient({ domains: [staff, projects, "orders"] });
   * ```
   */
  domains?: readonly D[];
  /**
   * A token (JWT), or a function that returns one. A server that runs with `--dev` needs none.
   *
   * The client calls the function for each connection, and again before the token ends: when half to three quarters of
   * its life are over, or 10 to 5 minutes before the end of a long one. The fresh token replaces the old one in the open
   * session, so nothing reconnects and nothing is loaded again. Fetch a fresh token at each call: a token that the
   * session has already counts as none.
   *
   * - If the function throws or takes longer than 30 seconds, the `error` listeners hear `token_failed`. If the server
   *   refuses the token, they hear the server's code. An open session goes on until its token ends. Until then the client
   *   calls the function again, each time when half of the rest of the token's life is over.
   * - When the token has ended, the client reconnects once, with a fresh token. If the server refuses that one too, the
   *   client is closed.
   * - If a fresh token lacks the right to a topic, the subscriptions to this topic get `forbidden` in `onError`.
   * - If the function returns a token of another user, the client opens another session and loads everything again.
   *
   * A token that is a string is never refreshed. When it ends, the client is closed.
   *
   * ```ts
   * createClient({ token: () => fetch("/api/tidings-token", { method: "POST" }).then((answer) => answer.text()) });
   * ```
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
}

/** Called with each event of a subscription, in the order of the server's log. */
export type Handler<E> = (event: E, meta: EventMeta) => void;

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /**
   * Called with an error of the subscription. Without it, the client's `error` listeners hear the error.
   *
   * - A topic was refused or taken away: the other topics go on.
   * - An event does not match its type: the subscription goes on.
   * - An error closed the client.
   *
   * `too_many_topics` and `overloaded` say that there is no room for a topic. The client asks for the topic again: at
   * once when you unsubscribe from another topic, else with growing pauses. `onSync` is called when it is in force.
   */
  onError?: (error: TidingsError) => void;
  /** Called when events may have been missed: load again. Without it, `onError` gets `sync_required`. */
  onSync?: (sync: Sync) => void;
  /** Called when the connection is back and nothing was missed. The events since then follow. */
  onResume?: () => void;
  /** Ends the subscription when it is aborted. */
  signal?: AbortSignal;
}

/** A subscription. It lasts until it is ended. */
export interface Subscription {
  /** The topics, as they were given. */
  readonly topics: readonly string[];
  /**
   * Resolves when all topics are in force: every event that is published from then on arrives. Rejects when a topic was
   * refused, or the subscription ended before. A rejection that you do not handle is no unhandled rejection.
   */
  readonly ready: Promise<void>;
  /** Ends the subscription. No callback is called after this returns. May be called again. */
  unsubscribe(): void;
  /** The same as `unsubscribe`, for `using`. */
  [Symbol.dispose](): void;
}

/** Options of `watch`. */
export interface WatchOptions<E, Data> {
  /**
   * Loads the data. `signal` is aborted when nobody needs the data any more, or after 30 seconds. If `load` throws, the
   * data stays as it is and the client tries again. It does not try again before the next event if the value that was
   * thrown has a `retryable` that is `false`.
   *
   * Watches of the same topics with the same function (`===`) and the same `minInterval` share their loads: 200 rows of
   * one list load it once. Then each `onData` gets the same object: leave it unchanged, or give each watch a function of
   * its own.
   */
  load: (signal: AbortSignal) => Data | Promise<Data>;
  /**
   * A name for what `load` loads. Watches with equal keys, the same topics and the same `minInterval` share their loads.
   * Their functions may differ: the client calls the function of the newest watch. So the key must name everything that
   * `load` depends on, such as the page of a list. A watch without a key shares nothing with one that has a key.
   */
  key?: string;
  /** Called with the data of each load. */
  onData: (data: Data) => void;
  /**
   * Called with an error of the watch. Without it, the client's `error` listeners hear the error.
   *
   * - A load failed (`load_failed`, with its `cause`): if `retryable`, the client tries again.
   * - A topic was refused or taken away: the other topics go on.
   * - An error closed the client.
   *
   * `too_many_topics` and `overloaded` say that there is no room for a topic. The client asks for the topic again, and
   * loads the data when it is in force.
   */
  onError?: (error: TidingsError) => void;
  /** Returns whether an event may have changed the data. Without it, every event may. */
  concerns?: (event: E, meta: EventMeta) => boolean;
  /**
   * `true`, or a function that returns whether to skip an event: no load for an event that this client caused, because
   * the page shows a write at the moment it sends it. Call `reload` if the write fails, or may have failed.
   *
   * An event is not skipped if a load ran, or another write of this client began, since the write. Otherwise older data
   * could stay on top. Nor is it skipped while the watch is paused, because the page does not show the write then.
   */
  skipOwn?: boolean | ((event: E, meta: EventMeta) => boolean);
  /**
   * Called with the reason why there is a load, or none. `resumed`: the connection is back and nothing was missed.
   * `sync`: events may have been missed, so it loads. `own`: an own event was skipped.
   */
  onNotice?: (notice: "resumed" | "sync" | "own") => void;
  /**
   * The least time between the starts of two loads, in milliseconds. The default is 250. The first event loads at once;
   * all events during the interval cause one load at its end. `reload` does not wait.
   */
  minInterval?: number;
  /** Ends the watch when it is aborted. */
  signal?: AbortSignal;
  /** @internal Called when a load begins or ends, when the data may have changed, and when a connection is known to have missed nothing. */
  onChange?: () => void;
}

/** Data that is kept up to date. It lasts until it is ended. The data may be out of date while `client.status` is not `open`. */
export interface Watch extends Subscription {
  /** Loads now. A paused watch loads when it is resumed. */
  reload(): void;
  /**
   * Loads nothing until `resume` is called, but keeps the subscription. Use it while the data is not shown. A load that
   * runs goes on. Watches that share their loads go on loading until all of them are paused, and `onData` hears of it.
   */
  pause(): void;
  /** Loads at once if the data may have changed since `pause`, or if the last load failed. Else it loads nothing. */
  resume(): void;
}

/** Options of `events`. */
export interface EventsOptions {
  /** Called when events may have been missed: load again. Without it, the loop throws `sync_required`. */
  onSync?: (sync: Sync) => void;
  /** Ends the loop when it is aborted. */
  signal?: AbortSignal;
  /** How many events may wait for a slow loop. The default is 1024. Beyond it, all that wait are dropped, which is a sync. */
  buffer?: number;
}

/** An event and its circumstances. */
export interface EventItem<E> {
  event: E;
  meta: EventMeta;
}

/** Options of `publish`. */
export interface PublishOptions {
  /**
   * The topics, if the event's domain does not compute them: for events of `crm`, and of domains that the server does
   * not know.
   */
  topics?: readonly string[];
  /**
   * The idempotency key, a UUID. The default is a new one. A second publish with the same key publishes nothing, and
   * resolves with the first one's answer.
   */
  key?: string;
  /**
   * A mark of who caused the event, at most 64 bytes. Subscribers find it in `meta.origin`. By default it is this
   * client's own mark, by which it knows its own events.
   */
  origin?: string;
  /** Stops waiting when it is aborted. If the event was sent before, it may be published all the same. */
  signal?: AbortSignal;
}

/** The server's answer to a publish. */
export interface Published {
  /** The key of the publication. */
  readonly key: string;
  /** Its position in the server's log. Opaque. */
  readonly position: string;
  /** All topics that it reached. */
  readonly topics: readonly string[];
}

/** Options of `on`. */
export interface ListenOptions {
  /** Removes the listener when it is aborted. */
  signal?: AbortSignal;
}
