// For `Symbol.dispose`, whatever `lib` a project has.
/// <reference lib="esnext.disposable" preserve="true" />
import type { TidingsError } from "./errors.js";
import type { EventOf } from "./topics.js";

/** Where a client stands. `waiting`: before the next attempt to connect. `closed`: for good. */
export type Status = "idle" | "connecting" | "open" | "waiting" | "closed";

/** What is known of an event beside the event itself. */
export interface EventMeta {
  /** Those of the event's topics that the subscription has. */
  readonly topics: readonly string[];
  /** Its place in the server's log; opaque. */
  readonly position: string;
  /** Its identity, a UUID. */
  readonly key: string;
  /** When it was published, in milliseconds since 1970, by the server's clock. */
  readonly at: number;
  /** The mark that its publisher gave it. */
  readonly origin?: string;
  /** Whether this client caused it: by a publish, or by a request that carried `client.headers`. */
  readonly own: boolean;
  /** Whether it was checked against its type. `false`: its domain, or its name, is unknown to this version. */
  readonly decoded: boolean;
}

/** "Load again": nothing proves that everything arrived. */
export interface Sync {
  /** The topics that may have missed something. */
  readonly topics: readonly string[];
  /** Everything after this follows; opaque, and empty where the client can't tell. */
  readonly position: string;
}

/** How a client behaves. */
export interface ClientOptions {
  /** The server's WebSocket: `wss:`, `https:` or relative to the page. `/v1/ws` if left out. */
  url?: string | URL;
  /**
   * Domains that are meant although neither this client nor the server is compiled with them. Without it, the console
   * warns once of each such domain that is subscribed to, because it may be a typo, of which nothing ever comes.
   */
  domains?: readonly string[];
  /**
   * A token (JWT), or a function that returns one. A server that runs with `--dev` needs none.
   *
   * The function is called for every connection, and again before the token ends: when half to three quarters of its life
   * are over, of a long one 10 to 5 minutes before its end. What it returns then takes the old token's place in the open
   * session: nothing reconnects, nothing is loaded again. So fetch a fresh one each time: one that the session has
   * already counts as none.
   *
   * If it throws or takes longer than 30 seconds, the `error` listeners hear `token_failed`; if the server does not take
   * what it returned, they hear why. While a session is open it goes on to its end, and the function is called again
   * each time half of what is left has passed. When the token has ended, the client comes back as after a lost
   * connection, once, with a token that the function returns then; if the server refuses that too, the client is closed.
   *
   * A topic that a fresh token no longer allows ends with `forbidden`, in the `onError` of whoever has it. A fresh token
   * of another user opens another session, in which everything is loaded again.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
}

/** Called for each event of a subscription, in the order of the server's log. */
export type Handler<T extends string> = (event: EventOf<T>, meta: EventMeta) => void;

/** Options of a subscription. */
export interface SubscribeOptions {
  /**
   * A topic was refused or taken away (the others go on), an event was not what its type says (the subscription
   * goes on), or the client was closed by an error. Without it, the client's `error` listeners hear of that.
   *
   * `too_many_topics` and `overloaded` of a topic say that there is no room for it. The client asks for it again when there
   * may be: at once when other topics are unsubscribed, else ever more rarely. When it is in force, `onSync` hears so.
   */
  onError?: (error: TidingsError) => void;
  /** Events may have been missed: load again. Without it, `onError` gets an error with the code `sync_required`. */
  onSync?: (sync: Sync) => void;
  /** The connection was lost and is back, and nothing was missed: what happened meanwhile follows. */
  onResume?: () => void;
  /** Ends the subscription. */
  signal?: AbortSignal;
}

/** A subscription, until it is ended. */
export interface Subscription {
  /** As they were given. */
  readonly topics: readonly string[];
  /**
   * Resolves once all topics are in force: what is published from then on arrives. Rejects when one was refused or
   * the subscription ended before. Need not be looked at.
   */
  readonly ready: Promise<void>;
  /** Ends it; nothing is delivered after this returns. May be called again. */
  unsubscribe(): void;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}

/** How data is kept up to date. */
export interface WatchOptions<T extends string, D> {
  /**
   * Loads the data. `signal` is aborted when nobody wants it any more or it takes too long. What it throws leaves the
   * data as it is; if that has a `retryable` that is `false`, nothing is tried before the next event.
   *
   * Watches of the same topics with the same function (`===`) and the same `minInterval` share their loads: 200 rows of
   * one list load it once. Then each `onData` gets the same data: leave it unchanged, or give each its own function.
   */
  load: (signal: AbortSignal) => D | Promise<D>;
  /** Called with the data of each load. */
  onData: (data: D) => void;
  /**
   * A load failed (`load_failed`, with its `cause`), a topic was refused or taken away (the others go on), or the client
   * was closed by an error. Without it, the client's `error` listeners hear of that.
   *
   * `too_many_topics` and `overloaded` of a topic say that there is no room for it. The client asks for it again when there
   * may be, and loads the data again when it is in force.
   */
  onError?: (error: TidingsError) => void;
  /** Whether an event may have changed the data; all do, if left out. */
  concerns?: (event: EventOf<T>, meta: EventMeta) => boolean;
  /**
   * Does not load for events that this client caused, or for those of them that this says, because you show what you
   * write in the moment in which you send it. Call `reload` if the write fails or you can't tell. Where a load ran or
   * another write of this client began since, the event loads all the same, so that no older data stays on top.
   */
  skipOwn?: boolean | ((event: EventOf<T>, meta: EventMeta) => boolean);
  /**
   * For those who want to see why: `resumed`, the connection came back and nothing was missed; `sync`, something may
   * have been missed, so it loads; `own`, an event was skipped.
   */
  onNotice?: (notice: "resumed" | "sync" | "own") => void;
  /**
   * Loads start at least this many milliseconds apart (250). The first event loads at once; what
   * comes before that time is over causes one load at its end. `reload` does not wait for it.
   */
  minInterval?: number;
  /** Ends it. */
  signal?: AbortSignal;
}

/** Data that is kept up to date, until it is ended. While `client.status` is not `open`, it may be out of date. */
export interface Watch extends Subscription {
  /** Loads now. */
  reload(): void;
}

/** Options of an iteration over events. */
export interface EventsOptions {
  /** Events may have been missed: load again. Without it, the iteration ends with an error, `sync_required`. */
  onSync?: (sync: Sync) => void;
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** How many events may wait for a slow loop (1024); beyond it they are dropped, which is a sync. */
  buffer?: number;
}

/** An event and what is known of it. */
export interface EventItem<T extends string> {
  event: EventOf<T>;
  meta: EventMeta;
}

/** Options of a publish. */
export interface PublishOptions {
  /** The topics, for events that don't say them: of `crm`, and of domains that the server does not know. */
  topics?: readonly string[];
  /** The idempotency key, a UUID; made if left out. The same key again answers the first publication. */
  key?: string;
  /** An opaque mark of who caused this, at most 64 bytes; subscribers find it in `meta.origin`. Made if left out. */
  origin?: string;
  /** Stops waiting. What was sent already may be published all the same. */
  signal?: AbortSignal;
}

/** The server's answer to a publish. */
export interface Published {
  /** The publication's identity. */
  readonly key: string;
  /** Its place in the server's log; opaque. */
  readonly position: string;
  /** All topics that it reached. */
  readonly topics: readonly string[];
}

/** Options of a listener. */
export interface ListenOptions {
  /** Takes the listener off. */
  signal?: AbortSignal;
}
