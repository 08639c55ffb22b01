// The boundary to the WebAssembly core: the exports of `client-wasm/src/js.rs`, and the functions that it calls.

import type { Domain } from "./topics.js";
import type { Published, Status, Sync } from "./types.js";

/** A refusal of the core: it throws it, or hands it to the host. */
export interface CoreFailure {
  code: string;
  message: string;
  retryable: boolean;
  topic?: string;
}

/** Whether the core threw this on purpose. If it threw anything else, it has failed. */
export function isFailure(error: unknown): error is CoreFailure {
  return !(error instanceof Error) && typeof (error as CoreFailure | undefined)?.code === "string";
}

/** An instance of the core. It numbers its subscriptions, loads, publishes and connections. */
export interface Core {
  subscribe(
    topics: readonly string[],
    isWatched: boolean,
    minInterval: number | undefined,
    shares: number | undefined,
    hasMissed: boolean,
  ): number;
  unsubscribe(subscription: number): void;
  reload(subscription: number, atOnce: boolean): void;
  loaded(subscription: number, load: number, isDone: boolean, mayRetry: boolean): void;
  page(isAwake: boolean): void;
  publish(
    event: string,
    topics: readonly string[] | undefined,
    key: string,
    origin: string | undefined,
  ): number;
  cancel(publish: number): void;
  run(): void;
  opened(connection: number): void;
  message(connection: number, frame: unknown): void;
  /** For `instance.ts`, which delivers most events. */
  listeners(connection: number, topic: string): number[] | undefined;
  fits(place: number, payload: unknown): boolean;
  delivered(connection: number, position: string, at: number): void;
  collect(collects: boolean): void;
  failed(connection: number): void;
  closed(connection: number, code: number): void;
  timeout(): void;
  token(connection: number, token: string | undefined): void;
  tokenFailed(connection: number, message: string): void;
  close(): void;
  free(): void;
}

/** A frame with an event, as it was parsed from the message. Its members are checked. */
export interface EventFrame {
  readonly topics: readonly string[];
  readonly position: string;
  readonly key: string;
  readonly at: number;
  readonly origin?: string | null;
  readonly event: { domain: string; event: string; payload: unknown };
}

/** The WebSocket and the timer of a core. Their events go to the core. */
export interface Driver {
  /** Opens a WebSocket, or an object that behaves like one. Throws if the address is refused. */
  connect(connection: number, url: string, protocol: string): WebSocket;
  /** Sets the timer, or clears it. */
  setTimer(ms: number | undefined): void;
  /** Whether a process must keep running for them. */
  hold(isWanted: boolean): void;
}

/** The functions that the core calls. None of them may throw, except `connect`. */
export interface Host extends Driver {
  token(connection: number): void;
  status(status: Status): void;
  ready(subscription: number): void;
  resumed(subscription: number): void;
  load(subscription: number, load: number): void;
  event(subscription: number, frame: EventFrame, decoded: boolean, isShared: boolean): void;
  sync(subscription: number, sync: Sync): void;
  malformed(subscription: number, failure: CoreFailure): void;
  failed(subscription: number, failure: CoreFailure): void;
  published(publish: number, answer: Published): void;
  publishFailed(publish: number, failure: CoreFailure): void;
  error(failure: CoreFailure): void;
  otherDomain(domain: string): void;
  unknownDomain(domain: string, nearest: string): void;
  /** Whether a member of an object is a text that has this pattern (`true`), or has it nowhere. */
  matches(object: Record<string, unknown>, name: string, pattern: RegExp, has: boolean): boolean;
}

/** The JavaScript that wasm-bindgen makes for one instance. */
export interface Glue {
  initSync(options: { module: WebAssembly.Module }): unknown;
  Core: new (
    host: Host,
    url: string,
    client: string,
    asksForTokens: boolean,
    domains: readonly (Domain | string)[],
  ) => Core;
}

/** A compiled core. Instances are made of it. */
export interface Loaded {
  module: WebAssembly.Module;
  /** Makes the glue of a new instance. */
  glue(): Glue;
}

/** Loads and compiles the core. This is the only difference between the entries of the package. */
export type Load = () => Promise<Loaded>;
