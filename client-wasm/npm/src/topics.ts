import type { ClosedDomain, Topics } from "./domains.js";

/** An event that no type is known for: of a domain that was not compiled in, or on a topic that is only a string. */
export interface UntypedEvent<D extends string = string> {
  domain: D;
  event: string;
  payload: unknown;
}

/** The topics whose events are known. */
export type KnownTopic = keyof Topics;

/** A topic; any string is one for the compiler, and those that `Topics` knows are completed. */
export type Topic = KnownTopic | (string & {});

/** The domains whose topics are known. */
type KnownDomain = KnownEvent["domain"];

/**
 * `T`, unless it is none of the topics of a known domain: a misspelt topic does not compile. For the topics of a generic
 * wrapper: `<const T extends string>(topics: Spelt<T> | readonly Spelt<T>[], handler: Handler<T>)`.
 */
export type Spelt<T extends string> = T extends keyof Topics
  ? T
  : T extends KnownDomain | `${KnownDomain}:${string}`
    ? never
    : T;

/** The events that can appear on a topic, or on any of several. */
export type EventOf<T extends string> = T extends keyof Topics ? Topics[T] : UntypedEvent;

/** The events that types are known for. */
export type KnownEvent = Topics[keyof Topics];

/** An event with payload keys beyond those that its type declares; they survive to the subscribers, where allowed. */
type WithUndeclaredKeys<E> = E extends { domain: ClosedDomain }
  ? E
  : E extends { payload: infer P }
    ? Omit<E, "payload"> & { payload: P & { [key: string]: unknown } }
    : never;

/** What may be published of the events that types are known for. */
export type PublishableEvent = WithUndeclaredKeys<KnownEvent>;

/** `E`, unless it is of a known domain and none of its events. */
export type Untyped<E extends UntypedEvent> = E & (E["domain"] extends KnownDomain ? never : unknown);
