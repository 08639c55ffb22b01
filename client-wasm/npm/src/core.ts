// The boundary to the WebAssembly core: what `client-wasm/src/js` exports and calls.

import type { EventMeta, Published, Status, Sync } from "./types.js";

/** What the core throws, and tells the host. */
export interface CoreFailure {
  code: string;
  message: string;
  retryable: boolean;
  topic?: string;
}

/** An instance of the core. Numbers name subscriptions, publishes and connections. */
export interface Core {
  subscribe(topics: readonly string[]): number;
  unsubscribe(subscription: number): void;
  publish(
    event: string,
    topics: readonly string[] | undefined,
    key: string,
    origin: string | undefined,
  ): number;
  cancel(publish: number): void;
  run(): void;
  token(connection: number, token: string | undefined): void;
  tokenFailed(connection: number, message: string): void;
  close(): void;
  free(): void;
}

/** What the core calls. None of it may throw. */
export interface Host {
  guard(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown;
  token(connection: number): void;
  status(status: Status): void;
  ready(subscription: number): void;
  event(subscription: number, event: unknown, meta: EventMeta): void;
  sync(subscription: number, sync: Sync): void;
  malformed(subscription: number, failure: CoreFailure): void;
  failed(subscription: number, failure: CoreFailure): void;
  published(publish: number, answer: Published): void;
  publishFailed(publish: number, failure: CoreFailure): void;
  error(failure: CoreFailure): void;
  otherSchema(server: string): void;
}

/** wasm-bindgen's glue, bound to one instance. */
export interface Glue {
  initSync(options: { module: WebAssembly.Module }): unknown;
  Core: new (host: Host, url: string, client: string, asksForTokens: boolean) => Core;
}

/** A compiled core, of which instances can be made. */
export interface Loaded {
  module: WebAssembly.Module;
  glue(): Glue | Promise<Glue>;
}

/** The two ways to come by a core differ in this alone. */
export type Load = () => Promise<Loaded>;
