// What a test has asked of its hub, and what the hub keeps for the test.

import type { ServerCode } from "./errors.js";
import type { UntypedEvent } from "./topics.js";

/** Frames and publishes that the hub keeps for the test, of each kind. The oldest go first. */
export const MAX_RECORDS = 1_000;

/** A code with which a topic is refused. */
export type TopicCode = Extract<ServerCode, "forbidden" | "invalid_topic" | "too_many_topics" | "overloaded">;

/** A code with which a token is refused. */
export type TokenCode = Extract<
  ServerCode,
  "unauthorized" | "token_expired" | "token_not_yet_valid" | "overloaded"
>;

/** An event that a client has published. */
export interface PublishedEvent {
  readonly event: UntypedEvent;
  /** The topics that it reached. */
  readonly topics: readonly string[];
  readonly key: string;
  readonly origin: string | undefined;
}

/** Options of `createTestHub`. */
export interface TestHubOptions {
  /**
   * Returns the topics that a published event reaches, if the publisher names none. A server computes them from its
   * domains, and this hub knows no domain. Without this function, such a publish is refused with `invalid_event`, and the
   * message says so. `emit` always names the topics.
   *
   * ```ts
   * createTestHub({ topicsOf: ({ domain }) => [`${domain}:people`] });
   * ```
   */
  topicsOf?: (event: UntypedEvent) => readonly string[];
  /** How long a token lives, in milliseconds. Then the client asks for another one. By default tokens do not end. */
  tokenLife?: number;
  /**
   * The least time between two loads of a watch that names no `minInterval`, in milliseconds. The default is 0, so that
   * tests do not wait. Outside of tests it is 250.
   */
  minInterval?: number;
}

/** What a test has asked of its hub. */
export class Rules {
  readonly topicsOf: TestHubOptions["topicsOf"];
  readonly tokenLife: number | undefined;
  /** Milliseconds by which frames of the hub are late. */
  lag = 0;
  /** Whether connections are refused. */
  isAway = false;
  readonly refusedTopics = new Map<string, TopicCode>();
  refusedTokens: TokenCode | undefined;

  constructor({ topicsOf, tokenLife }: TestHubOptions) {
    this.topicsOf = topicsOf;
    this.tokenLife = tokenLife;
  }
}

/** A list that keeps its newest items. */
export class Records<T> {
  readonly all: T[] = [];

  add(item: T): void {
    this.all.push(item);
    if (this.all.length > MAX_RECORDS) this.all.shift();
  }
}
