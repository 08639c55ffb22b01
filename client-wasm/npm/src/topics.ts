// The types of topics, and of the events that each topic gets.

import type { ClosedDomain, Topics } from "./domains.js";

/** An event without a known type: its domain is unknown to this package, or its topic is any string. */
export interface UntypedEvent<D extends string = string> {
  domain: D;
  event: string;
  payload: unknown;
}

/** The topics with typed events. */
export type KnownTopic = keyof Topics;

/** A topic. The compiler takes any string, and an editor completes the topics of `Topics`. */
export type Topic = KnownTopic | (string & {});

/** The domains with typed events. */
type KnownDomain = KnownEvent["domain"];

/** The topics of the domain that a topic begins with. */
type TopicOfDomain<D extends string> = D extends `${infer Name}:${string}`
  ? TopicOfDomain<Name>
  : Extract<KnownTopic, D | `${D}:${string}`>;

/**
 * A topic that is not misspelt. A topic of a known domain that this domain does not have is no `Spelt`: it does not
 * compile, and the compiler names the topics of the domain. Use it for a generic wrapper:
 *
 * ```ts
 * function useEvents<const T extends string>(topics: Spelt<T> | readonly Spelt<T>[], handler: Handler<T>) {
 *   return client.subscribe(topics, handler);
 * }
 * ```
 */
export type Spelt<T extends string> = T extends keyof Topics
  ? T
  : T extends KnownDomain | `${KnownDomain}:${string}`
    ? TopicOfDomain<NoInfer<T>>
    : T;

/** The events of a topic, or of any of several. */
export type EventOf<T extends string> = T extends keyof Topics ? Topics[T] : UntypedEvent;

/** The events that have types. */
export type KnownEvent = Topics[keyof Topics];

/** An event with payload keys that its type does not declare. Subscribers get them, unless the domain refuses them. */
type WithUndeclaredKeys<E> = E extends { domain: ClosedDomain }
  ? E
  : E extends { payload: infer P }
    ? Omit<E, "payload"> & { payload: P & { [key: string]: unknown } }
    : never;

/** An event with a type, as `publish` takes it: its payload may have further keys, unless the domain refuses them. */
export type PublishableEvent = WithUndeclaredKeys<KnownEvent>;

/** The events of a domain with this name. If it has none, all of its events. */
type EventOfDomain<D extends string, N extends string> = Named<
  WithName<Extract<PublishableEvent, { domain: D }>, N>,
  Extract<PublishableEvent, { domain: D }>
>;

type WithName<E, N extends string> = E extends { event: infer Names } ? (N extends Names ? E : never) : never;

type Named<E, Others> = [E] extends [never] ? Others : E;

/** An event of an unknown domain. One of a known domain must be one of its events: else the compiler names them. */
export type Untyped<E extends UntypedEvent> = E["domain"] extends KnownDomain
  ? EventOfDomain<E["domain"], E["event"]>
  : E;
