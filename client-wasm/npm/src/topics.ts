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

/** The topics of the domain that a topic begins with. */
type TopicOfDomain<D extends string> = D extends `${infer Name}:${string}`
  ? TopicOfDomain<Name>
  : Extract<KnownTopic, D | `${D}:${string}`>;

/**
 * `T`, unless it is none of the topics of a known domain: a misspelt topic does not compile, and the compiler names those
 * that its domain has. For the topics of a generic
 * wrapper: `<const T extends string>(topics: Spelt<T> | readonly Spelt<T>[], handler: Handler<T>)`.
 */
export type Spelt<T extends string> = T extends keyof Topics
  ? T
  : T extends KnownDomain | `${KnownDomain}:${string}`
    ? TopicOfDomain<NoInfer<T>>
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

/** The events of a domain that may be published: those of this name, or all where it has none of it. */
type EventOfDomain<D extends string, N extends string> = Named<
  WithName<Extract<PublishableEvent, { domain: D }>, N>,
  Extract<PublishableEvent, { domain: D }>
>;

type WithName<E, N extends string> = E extends { event: infer Names } ? (N extends Names ? E : never) : never;

type Named<E, Others> = [E] extends [never] ? Others : E;

/** `E`, unless it is of a known domain and none of its events: the compiler then names those that its domain has. */
export type Untyped<E extends UntypedEvent> = E["domain"] extends KnownDomain
  ? EventOfDomain<E["domain"], E["event"]>
  : E;
