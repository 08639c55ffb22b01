// The test hub: a hub in the process of the test, and the clients that it makes.

import type { Client } from "./client.js";
import { eventText } from "./event-text.js";
import { core, TestClient } from "./testing-client.js";
import type { ClientFrame } from "./testing-frames.js";
import { nameFault, topicName } from "./testing-frames.js";
import { Log, uuid } from "./testing-log.js";
import {
  type PublishedEvent,
  Records,
  Rules,
  type TestHubOptions,
  type TokenCode,
  type TopicCode,
} from "./testing-rules.js";
import { type Network, TestSocket } from "./testing-socket.js";
import { frames } from "./testing-turn.js";
import type { Domain, EventOf, UntypedEvent } from "./topics.js";
import type { ClientOptions, Published } from "./types.js";

/** Promises that settle one after the other, without anything new, after which a hub is settled. A client takes some between the load of its core and its first frame. */
const QUIET_PROMISES = 50;

/** Turns with as many frames as a turn may have, after which `settled` gives up. The first may be full of another test's. */
const MAX_FULL_TURNS = 3;

/** Options of `emit`. */
export interface EmitOptions {
  /**
   * The mark of who caused the event. A client that made it gets the event with `meta.own` set. A backend takes it from
   * the header `Tidings-Origin` of a request.
   */
  origin?: string;
  /** The key of the publication, a UUID. The same key again publishes nothing. By default it is a new one. */
  key?: string;
}

/**
 * A hub in the process of the test, for tests of your own components. `createTestHub` creates it.
 *
 * Its clients are real, with the real core. It speaks the protocol with them, and there is no network and no server.
 * Whatever it does arrives as from a network: a little later, in order. `await hub.settled()` waits for that.
 *
 * Fake timers may be used, if they begin before a client is created. Lag, back-offs and pauses between loads then pass
 * with the fake time.
 */
export class TestHub {
  declare [Symbol.dispose]: () => void;
  /**
   * A `WebSocket` that connects to this hub. It accepts any address. It is for a client that the page creates by itself with
   * `createClient`: `vi.stubGlobal("WebSocket", hub.WebSocket)`.
   */
  readonly WebSocket: typeof globalThis.WebSocket;
  #log = new Log();
  #rules: Rules;
  #published = new Records<PublishedEvent>();
  #frames = new Records<ClientFrame>();
  #sockets = new Set<TestSocket>();
  #clients: TestClient[] = [];
  #minInterval: number;
  #isClosed = false;
  /** The last number that was given. */
  #last = 0;
  /** How much has happened. */
  #happenings = 0;

  /** @internal */
  constructor(options: TestHubOptions) {
    this.#minInterval = options.minInterval ?? 0;
    this.#rules = new Rules(options);
    const network: Network = {
      log: this.#log,
      rules: this.#rules,
      published: this.#published,
      frames: this.#frames,
      sockets: this.#sockets,
      next: () => ++this.#last,
      appended: () => this.#appended(),
      happened: () => void this.#happenings++,
      lost: () => this.#hurry(),
    };
    this.WebSocket = class extends TestSocket {
      constructor(url: string | URL, protocol?: string | string[]) {
        super(network, url, protocol);
      }
    } as unknown as typeof globalThis.WebSocket;
  }

  /**
   * Creates a client of this hub. Two clients of one hub are as two tabs. Throws if the hub is closed.
   *
   * ```ts
   * const hub = createTestHub();
   * const [one, other] = [hub.createClient(), hub.createClient()];
   * ```
   */
  createClient<const D extends Domain | string = never>(
    options: Omit<ClientOptions<D>, "url"> = {},
  ): Client<Extract<D, Domain>> {
    if (this.#isClosed) throw new Error("The test hub is closed. Create a hub for each test.");
    const client = new TestClient(options, this.#minInterval, {
      open: (url, protocol) => new this.WebSocket(url, protocol),
      happened: () => void this.#happenings++,
    });
    this.#clients.push(client);
    return client;
  }

  /**
   * Publishes an event to a topic, or to several, as a backend does. Name each topic that the event reaches: this hub
   * knows no domain, so it computes none. The clients check the event.
   *
   * Throws a `TypeError` for a topic that is none, and for an event that no backend can publish: without a payload, or
   * with a value that JSON does not have.
   *
   * ```ts
   * hub.emit("staff:people", { domain: "staff", event: "person_updated", payload: { uuid: id } });
   * await hub.settled();
   * ```
   */
  emit<const T extends string>(topics: T | readonly T[], event: EventOf<T>, options?: EmitOptions): Published;
  emit(
    topics: string | readonly string[],
    event: UntypedEvent,
    { origin, key }: EmitOptions = {},
  ): Published {
    return this.#append(names("emit", topics), sendable(event), origin, key);
  }

  /** Makes everything that the hub sends from now on late by so many milliseconds. 0 ends it. */
  lag(ms: number): void {
    this.#rules.lag = ms;
  }

  /**
   * Cuts all connections. What was on its way is lost. The clients come back within 250 ms and get what they missed. Use
   * `stop` and `start` to say when they come back.
   */
  drop(): void {
    for (const socket of [...this.#sockets]) socket.cut();
  }

  /** Cuts all connections and refuses new ones, as a server that is away does. */
  stop(): void {
    this.#rules.isAway = true;
    this.drop();
  }

  /** Takes connections again after `stop`. The clients come back within 250 ms. */
  start(): void {
    this.#rules.isAway = false;
    this.#hurry();
  }

  /** Restarts the hub: it sends its clients away and forgets its log. So the clients come back and get a sync. */
  restart(): void {
    for (const { session } of [...this.#sockets]) session.goAway();
    this.#log.forget();
  }

  /**
   * Takes the journal away from the hub, as when a server's database is away. The clients have the status `degraded`. The hub
   * hears of nothing that is emitted until `restore`, and refuses what clients publish with `overloaded`.
   */
  degrade(): void {
    this.#log.journalLeft();
    this.#appended();
  }

  /** Gives the journal back after `degrade`. The clients get what was emitted meanwhile, and then have the status `open`. */
  restore(): void {
    this.#log.journalReturned();
    this.#appended();
  }

  /** Says that events of these topics may have been missed, or of all topics. Watches load, subscriptions get a sync. */
  sync(topics?: string | readonly string[]): void {
    this.#append(topics === undefined ? undefined : names("sync", topics), undefined);
  }

  /**
   * Refuses these topics from now on, to subscribers and to publishers. With `forbidden`, the default, subscribers lose
   * them at once. Clients ask again after `too_many_topics` and `overloaded`, and not after other codes.
   */
  refuse(topics: string | readonly string[], code: TopicCode = "forbidden"): void {
    const refused = names("refuse", topics);
    for (const topic of refused) this.#rules.refusedTopics.set(topic, code);
    if (code === "forbidden") for (const { session } of this.#sockets) session.revoke(refused, code);
  }

  /** Refuses all tokens from now on. Open connections go on, until `drop` for example. */
  refuseTokens(code: TokenCode = "unauthorized"): void {
    this.#rules.refusedTokens = code;
  }

  /** Ends every `refuse` and `refuseTokens`. */
  allow(): void {
    this.#rules.refusedTopics.clear();
    this.#rules.refusedTokens = undefined;
  }

  /** The events that clients have published, the newest last: at most the last 1,000. */
  get published(): readonly PublishedEvent[] {
    return this.#published.all;
  }

  /** The frames that clients have sent, the newest last: at most the last 1,000. PROTOCOL.md explains them. */
  get frames(): readonly ClientFrame[] {
    return this.#frames.all;
  }

  /** The topics to which some client is subscribed, each once, in alphabetical order. */
  get subscriptions(): readonly string[] {
    return [...new Set([...this.#sockets].flatMap(({ session }) => [...session.topics]))].sort();
  }

  /** How many connections there are. */
  get connections(): number {
    return [...this.#sockets].filter(({ readyState }) => readyState === TestSocket.OPEN).length;
  }

  /**
   * Resolves when nothing more happens at this moment. The clients have loaded their core, and all frames have arrived,
   * in both directions. What follows from them at once is done. It waits for no time to pass: not for frames that `lag`
   * holds, not for a reconnect, and not for a load that takes time.
   *
   * ```ts
   * hub.emit("orders:all", { domain: "orders", event: "paid", payload: {} });
   * await hub.settled();
   * ```
   */
  async settled(): Promise<void> {
    await core.catch(() => {});
    for (let turns = 0; turns < MAX_FULL_TURNS; turns++) {
      await this.#quiet();
      if (!frames.later) return;
      await frames.ended();
    }
    throw new Error("The test hub does not settle: frames go to and fro without end.");
  }

  /** Resolves when nothing more happens in this turn. */
  async #quiet(): Promise<void> {
    let seen = this.#happenings;
    for (let quiet = 0; quiet < QUIET_PROMISES; quiet++) {
      await undefined;
      if (seen !== this.#happenings) quiet = 0;
      seen = this.#happenings;
    }
  }

  /** Closes the clients that this hub created, and all connections. It creates no client any more. */
  close(): void {
    this.#isClosed = true;
    for (const client of this.#clients) client.close();
    this.#clients = [];
    this.stop();
  }

  /** Lets the clients of this hub that wait for their next attempt make it soon, as if the network had come back. */
  #hurry(): void {
    if (!this.#rules.isAway) for (const client of this.#clients) client.hurry();
  }

  #append(
    topics: string[] | undefined,
    event: UntypedEvent | undefined,
    origin?: string,
    key?: string,
  ): Published {
    const publication = this.#log.append({ key: key ?? uuid(++this.#last), origin, topics, event });
    this.#appended();
    return { key: publication.key, position: publication.position, topics: publication.topics ?? [] };
  }

  #appended(): void {
    for (const { session } of this.#sockets) session.read();
  }
}

if (Symbol.dispose) TestHub.prototype[Symbol.dispose] = TestHub.prototype.close;

/** A copy of an event, as a network makes one: the test may change its object. */
function sendable(event: UntypedEvent): UntypedEvent {
  try {
    const sent = JSON.parse(eventText(event)) as UntypedEvent;
    const fault = nameFault(sent);
    if (fault) throw new TypeError(fault);
    return sent;
  } catch (cause) {
    throw new TypeError(`emit: ${(cause as Error).message}`, { cause });
  }
}

/** The names of topics, as the server spells them, each once. */
function names(call: string, topics: string | readonly string[]): string[] {
  const given = typeof topics === "string" ? [topics] : topics;
  const once = given.map((topic) => {
    const name = topicName(topic);
    if (!name) throw new TypeError(`${call}: ${topic} is no topic`);
    return name;
  });
  return [...new Set(once)];
}
