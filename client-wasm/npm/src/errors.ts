/** The codes that the server answers with. PROTOCOL.md lists them. */
export type ServerCode =
  | "invalid_frame"
  | "unknown_op"
  | "hello_required"
  | "hello_timeout"
  | "unauthorized"
  | "token_expired"
  | "token_not_yet_valid"
  | "forbidden"
  | "invalid_topic"
  | "invalid_event"
  | "unknown_event"
  | "too_large"
  | "too_many_topics"
  | "rate_limited"
  | "slow_consumer"
  | "overloaded"
  | "going_away"
  | "internal";

/** The codes of errors that the client finds by itself. */
export type ClientCode =
  /** The client was closed: by `close()`, or by an error after which it may not come back. */
  | "closed"
  /** The subscription was ended before it was in force. */
  | "ended"
  /** Events may have been missed: load again. */
  | "sync_required"
  /** The `load` of a watch failed or took longer than 30 seconds. `cause` is the value that it threw. */
  | "load_failed"
  /** 256 publishes wait for their answer, which is the limit. */
  | "offline_full"
  /** The token callback failed or took longer than 30 seconds. */
  | "token_failed"
  /** `url` is no URL, or its scheme is none of `ws:`, `wss:`, `http:` and `https:`. */
  | "invalid_url"
  /** A domain in `domains` is not what the generator writes. The message names the place. The client is closed. */
  | "invalid_domain"
  /** This environment has no `WebSocket`. */
  | "websocket_unavailable"
  /** Several attempts to connect failed. The client goes on trying. It tells this once until it is connected. */
  | "connect_failed"
  /**
   * The WebAssembly core could not be loaded, or may not run. If `retryable`, the client tries again; otherwise it is
   * closed.
   */
  | "wasm_unavailable"
  /**
   * The WebAssembly core failed. If `retryable`, a fresh one takes its place: everything is subscribed again, watches
   * load, and other subscriptions get a sync. Otherwise the client is closed.
   */
  | "core_failed";

/** The code of an error. A newer server may send codes that this version does not know. */
export type TidingsErrorCode = ServerCode | ClientCode | (string & {});

/** The general hint of each code. */
const HINTS: Record<string, string | undefined> = {
  closed: "Make a new client with createClient().",
  core_failed: "This is a bug in the package. Please report it with its `cause`.",
  forbidden:
    "Do the token's claims `subscribe` and `publish` allow the topics? If you give a publish a `key`, is it a new one?",
  invalid_frame: "Is that a Tidings server, and does no proxy change messages?",
  invalid_topic: "The module of a domain builds its topics, such as `staff.topics.people`.",
  offline_full: "Publish again when others were answered.",
  overloaded:
    "The client asks again by itself. For a topic, the limit is the server's --max-topics-per-tenant.",
  sync_required: "Load the data again. With `onSync` this is no error.",
  token_not_yet_valid: "Compare the clocks of the server and of the issuer of its tokens.",
  invalid_url: "Begin it with ws:, wss:, http: or https:, as in wss://example.com/v1/ws.",
  token_expired:
    "Does the `token` function fetch a fresh token each time? A token that is a string is never replaced.",
  token_failed:
    "The client tries again. Does the `token` function return a string (a JWT), or a promise of one?",
  too_many_topics: "Unsubscribe from topics that are not shown.",
  unauthorized: "No token was given: pass `token`, a function that returns a fresh one.",
  websocket_unavailable:
    "Use Node.js 22 or later, or set globalThis.WebSocket, for example to that of the package `ws`.",
};

/** What helps if the server refused the token, unlike a token that was not given. */
export const TOKEN_REFUSED =
  "The server refused the token. Do its key, audience and issuer match the server's settings?";

/** The contents of an error. */
export interface Failure {
  code: TidingsErrorCode;
  message: string;
  retryable?: boolean;
  topic?: string | undefined;
  /** Takes the place of the code's general hint. */
  hint?: string | undefined;
}

/**
 * An error of this package. Branch on `code`; `message` and `hint` are for people.
 *
 * ```ts
 * client.publish(event).catch((error) => {
 *   if (error instanceof TidingsError && error.retryable) publishLater(event);
 * });
 * ```
 */
export class TidingsError extends Error {
  declare readonly name: "TidingsError";
  /** What went wrong. */
  readonly code: TidingsErrorCode;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  /** What helps, if that can be said. */
  readonly hint: string | undefined;
  /** The topic that failed, if the error is about one topic. */
  readonly topic: string | undefined;
  /** The value that was thrown before and led to this error, if there was one. */
  declare readonly cause?: unknown;

  // Not `ErrorOptions`, which a `lib` older than ES2022 does not have.
  constructor({ code, message, retryable = false, topic, hint }: Failure, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = retryable;
    this.hint = hint ?? HINTS[code];
    this.topic = topic;
  }
}

// On the prototype, so that an error's stack begins with the name. On the class too, because its own name is minified.
for (const named of [TidingsError.prototype, TidingsError])
  Object.defineProperty(named, "name", { value: "TidingsError", configurable: true });

/** Prints an error that has no listener. The console shows little more than the message, so it gets the hint too. */
export function print(error: TidingsError): void {
  const { code, topic = "", message, hint } = error;
  const about = message.includes(topic) ? "" : `${topic}: `;
  const text = `tidings: ${code}: ${about}${message}${hint ? `\n${hint}` : ""}`;
  console.error(...(error.cause === undefined ? [text] : [text, error.cause]));
}

/** Reports a value that a callback of the user threw, as the browser reports an error of an event listener. */
export function report(error: unknown): void {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}

/** Calls a callback of the user. If it throws, that is reported and the client goes on. */
export function call<A extends unknown[]>(callback: ((...args: A) => unknown) | undefined, ...args: A): void {
  try {
    callback?.(...args);
  } catch (error) {
    report(error);
  }
}
