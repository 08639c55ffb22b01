/** What the server can answer; the same names as on the wire. */
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

/** What can go wrong without a server. */
export type ClientCode =
  /** The client was closed, by its user or by an error that forbids to come back. */
  | "closed"
  /** The subscription was ended before it was in force. */
  | "ended"
  /** Events may have been missed: load again. */
  | "sync_required"
  /** What a watch loads could not be loaded; `cause` is what its `load` threw. */
  | "load_failed"
  /** As many publishes as a client holds (256) wait for their answer. */
  | "offline_full"
  /** The token callback failed or took longer than 30 seconds. */
  | "token_failed"
  /** `url` is not one, or not of `ws:`, `wss:`, `http:` or `https:`. */
  | "invalid_url"
  /** This environment has no `WebSocket`. */
  | "websocket_unavailable"
  /** No connection comes about: several attempts failed. The client goes on trying; it tells of this once. */
  | "connect_failed"
  /** The WebAssembly core could not be loaded or is not allowed to run. If `retryable`, the client tries again. */
  | "wasm_unavailable"
  /** The core failed and was replaced; everything is subscribed again. */
  | "core_failed";

/** A code; a newer server may have some that this version does not know. */
export type TidingsErrorCode = ServerCode | ClientCode | (string & {});

const HINTS: Record<string, string | undefined> = {
  closed: "Make a new client with createClient().",
  core_failed:
    "This is a fault of the package, or of a core of your own: please report it, with its `cause`.",
  forbidden:
    "Do the token's claims `subscribe` and `publish` name the topics? A `key` that you give a publish has to be a new one.",
  invalid_frame: "Is that a Tidings server, and is there nothing on the way that changes messages?",
  invalid_topic: "`topic` of this package builds the topics of the domains that it knows.",
  offline_full: "Publish again when some of the others were answered.",
  overloaded:
    "The client asks again by itself. If it is about a topic, the server's --max-topics-per-tenant is the limit.",
  sync_required: "Load the data again, and pass onSync to be told without an error.",
  token_not_yet_valid: "Compare the clocks of the server and of whoever issues its tokens.",
  invalid_url: "Begin it with ws:, wss:, http: or https:, as in wss://example.com/v1/ws.",
  token_expired:
    "Does the `token` function fetch a fresh one each time? One that is given as text is never replaced.",
  token_failed:
    "The client tries again. Does the `token` function return a text (a JWT), or a promise of one?",
  too_many_topics: "Unsubscribe from what is not shown.",
  unauthorized: "No token was given: pass `token`, a function that returns a fresh one.",
  websocket_unavailable:
    "Use Node.js 22 or later, or set globalThis.WebSocket, for example to the WebSocket of the package `ws`.",
};

/** What to do about a token that was given and is refused. */
export const TOKEN_REFUSED =
  "The server did not take the token that was given. Do its key, audience and issuer fit the server's settings?";

/** What an error is made of. */
export interface Failure {
  code: TidingsErrorCode;
  message: string;
  retryable?: boolean;
  topic?: string;
  /** In the place of what can be said in general. */
  hint?: string;
}

/** Every error of this package. */
export class TidingsError extends Error {
  declare readonly name: "TidingsError";
  /** What went wrong, for programs. */
  readonly code: TidingsErrorCode;
  /** Whether the same may succeed later, unchanged. */
  readonly retryable: boolean;
  /** What to do about it, where that can be said in general. */
  readonly hint: string | undefined;
  /** The topic that it is about, if it is about one. */
  readonly topic: string | undefined;
  /** What was thrown before, if something was. */
  declare readonly cause?: unknown;

  // Not `ErrorOptions`: projects whose `lib` is older than ES2022 have none.
  constructor({ code, message, retryable = false, topic, hint }: Failure, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = retryable;
    this.hint = hint ?? HINTS[code];
    this.topic = topic;
  }
}

// On the prototype, so that the stack of an error begins with it; and that of the class, which has a short one as it is packed.
for (const named of [TidingsError.prototype, TidingsError])
  Object.defineProperty(named, "name", { value: "TidingsError", configurable: true });

/** The error of a client that was closed, by its user or by this error. */
export function closedError(cause?: TidingsError): TidingsError {
  const message = cause
    ? `The client was closed by an error: ${cause.code}: ${cause.message}`
    : "The client is closed.";
  return new TidingsError({ code: "closed", message }, { cause });
}

/** An error that nobody listens to, for whoever reads the console, which shows little more than its message. */
export function print(error: TidingsError): void {
  const { code, topic = "", message, hint } = error;
  const about = message.includes(topic) ? "" : `${topic}: `;
  const text = `tidings: ${code}: ${about}${message}${hint ? `\n${hint}` : ""}`;
  console.error(...(error.cause === undefined ? [text] : [text, error.cause]));
}

/** Reports what a callback of the user threw, as the browser reports what an event listener throws. */
export function report(error: unknown): void {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}

/** Calls a callback of the user, which may throw. */
export function call<A extends unknown[]>(callback: ((...args: A) => unknown) | undefined, ...args: A): void {
  try {
    callback?.(...args);
  } catch (error) {
    report(error);
  }
}
