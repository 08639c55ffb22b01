// The types of domains, of their topics, and of the events that each topic gets.

declare const EVENT: unique symbol;
declare const TYPES: unique symbol;

/** An event without a known type. */
export interface UntypedEvent<Name extends string = string> {
  domain: Name;
  event: string;
  payload: unknown;
}

/**
 * A topic that knows the type `E` of its events: `staff.topics.people`. It is a string. `E` exists for the compiler only.
 *
 * A wrapper takes it like this:
 *
 * ```ts
 * function useEvents<E>(client: Client, topics: Topic<E> | readonly Topic<E>[], handler: Handler<E>) {
 *   return client.subscribe(topics, handler);
 * }
 * ```
 */
export type Topic<E = UntypedEvent> = string & { readonly [EVENT]: E };

/**
 * A domain: its name, its builders of topics, and the data by which the client checks its events. A generated module
 * exports it. `createClient({ domains: [staff] })` takes it.
 *
 * - `E` is the union of its events.
 * - `T` has the events of each topic, by the topic or its template.
 * - `Keys` is `closed` if the domain refuses payload keys that no type declares.
 */
export interface Domain<
  Name extends string = string,
  E extends UntypedEvent = UntypedEvent,
  T extends object = object,
  Keys extends "open" | "closed" = "open" | "closed",
> {
  /** The first segment of its topics. */
  readonly name: Name;
  /** Covers everything that is checked. It differs between two versions of a domain that do not check the same. */
  readonly fingerprint: string;
  /** Its topics, and functions that build topics. */
  readonly topics: object;
  /** The names of events that have the same payload, and the fields of that payload. */
  readonly events: readonly (readonly [names: readonly string[], fields: readonly Field[]])[];
  /** Types for the compiler. No object has this property. */
  readonly [TYPES]?: { event: E; topics: T; keys: Keys };
}

/** A field of a payload. */
type Field = readonly [name: string, type: FieldType];

/** The type of a field, as data. */
export type FieldType =
  | "uuid"
  | "string"
  | "bool"
  | "number"
  | "float32"
  | "any"
  | readonly ["segment", maxBytes: number]
  | readonly ["integer", min: number, max: number]
  | readonly ["choice", names: readonly string[]]
  | readonly ["option", FieldType]
  | readonly ["list", FieldType];

/** The names of these domains. A domain that is known only at run time has none. */
type NameOf<D extends Domain> = D extends Domain<infer Name> ? (string extends Name ? never : Name) : never;

/** The events of each topic of one of these domains. */
type TopicsOf<D extends Domain> = D extends Domain<string, UntypedEvent, infer T> ? T : never;

/** The topics of these domains. */
export type KnownTopic<D extends Domain> = D extends Domain ? keyof TopicsOf<D> & string : never;

/** The topics whose events have types. Without domains, any string: nothing is known to be misspelt. */
export type TypedTopic<D extends Domain> = Topic<unknown> | ([D] extends [never] ? string : KnownTopic<D>);

/** The topics of the domain that a topic begins with. */
type TopicOfDomain<T extends string, D extends Domain> = T extends `${infer Name}:${string}`
  ? TopicOfDomain<Name, D>
  : KnownTopic<Extract<D, { name: T }>>;

/**
 * A topic that is not misspelt. A string of one of these domains that is no topic of the domain is no `Spelt`: it does
 * not compile, and the compiler names the topics of the domain.
 */
// Here and below, `any` stays `any`: so the compiler sees that a client of more domains is a client of fewer.
export type Spelt<T extends string, D extends Domain = never> = unknown extends T
  ? T
  : T extends Topic<unknown> | KnownTopic<D>
    ? T
    : T extends NameOf<D> | `${NameOf<D>}:${string}`
      ? TopicOfDomain<NoInfer<T>, D>
      : T;

/**
 * The events of a topic, or of any of several: those of a `Topic<E>`, those of a topic of one of these domains, and
 * untyped events for any other string.
 *
 * A wrapper takes topics of several types like this. `Client` is a client of any domains:
 *
 * ```ts
 * function useEvents<T extends string>(client: Client, topics: T | readonly T[], handler: Handler<EventOf<T>>) {
 *   return client.subscribe(topics, handler);
 * }
 * ```
 */
export type EventOf<T extends string, D extends Domain = never> = unknown extends T
  ? T
  : T extends Topic<infer E>
    ? E
    : T extends KnownTopic<D>
      ? KnownEventOn<T, D>
      : UntypedEvent;

type KnownEventOn<T extends string, D extends Domain> = D extends Domain
  ? T extends keyof TopicsOf<D>
    ? TopicsOf<D>[T]
    : never
  : never;

/** The events of these domains, as `publish` takes them: a payload may have further keys, unless its domain refuses them. */
export type PublishableEvent<D extends Domain> =
  D extends Domain<string, infer E, object, infer Keys>
    ? "open" extends Keys
      ? WithUndeclaredKeys<E>
      : E
    : never;

type WithUndeclaredKeys<E> = E extends { payload: infer P }
  ? Omit<E, "payload"> & { payload: P & { [key: string]: unknown } }
  : never;

/** The events of one of these domains with this name. If it has none, all of its events. */
type EventOfDomain<D extends Domain, Name extends string> = Named<
  WithName<PublishableEvent<D>, Name>,
  PublishableEvent<D>
>;

type WithName<E, Name extends string> = E extends { event: infer Names }
  ? Name extends Names
    ? E
    : never
  : never;

type Named<E, Others> = [E] extends [never] ? Others : E;

/** An event of another domain. An event of one of these domains must be one of its events: else the compiler names them. */
export type Untyped<E extends UntypedEvent, D extends Domain = never> = unknown extends E
  ? E
  : E["domain"] extends NameOf<D>
    ? EventOfDomain<Extract<D, { name: E["domain"] }>, E["event"]>
    : E;
