// One instance of the core, and the events that bypass its state machine.

import type { Core, EventFrame, Host } from "./core.js";
import type { Domain } from "./topics.js";

/** Topics whose listeners are kept. Beyond it all are asked for again. A server sends no more topics than a session has. */
const MAX_TOPICS = 1_024;

/**
 * Calls one instance of the core, and delivers most events itself.
 *
 * A page hears an event each few milliseconds. The core has left the processor's caches by then, so a call of its state
 * machine costs as much as all the rest. Most events change nothing there but the position. So the instance asks once who
 * listens to a topic, and delivers. The core checks each payload. Before its next call it is told the last position.
 */
export class Instance {
  readonly core: Core;
  #deliver: Host["event"];
  #isDue: (now: number) => boolean;
  #places: Places;
  /** The connection of these listeners. */
  #connection = 0;
  /** The listeners of topics, since the last call that may have changed them. */
  #listeners = new Map<string, readonly number[]>();
  /** The position of the last event that was delivered, if the core has not been told. */
  #position: string | undefined;
  /** When that event came. */
  #at = 0;
  /** The time of an event is on the clock of `performance.now()`. To read the clock costs a tenth of all that is done. */
  #isTimed = false;
  /** A call of the core runs. */
  #isBusy = false;
  /** Handlers get an event. */
  #isDelivering = false;
  /** The core lets its outputs wait for the end of a delivery. */
  #isCollecting = false;

  /** `isDue` says whether the core's timer should have fired by now. */
  constructor(
    core: Core,
    deliver: Host["event"],
    isDue: (now: number) => boolean,
    domains: readonly (Domain | string)[],
  ) {
    this.core = core;
    this.#deliver = deliver;
    this.#isDue = isDue;
    this.#places = placesOf(domains);
  }

  /** Calls the core. `changesTopics`: the call may change who listens to a topic. */
  call(call: (core: Core) => void, changesTopics: boolean): void {
    const { core } = this;
    if (changesTopics) {
      this.#listeners.clear();
      if (this.#position !== undefined) core.delivered(this.#connection, this.#position, this.#at);
      this.#position = undefined;
    }
    // The outputs come after all handlers have had the event: 200 views that hear of it load once.
    if (this.#isDelivering && !this.#isCollecting) {
      this.#isCollecting = true;
      core.collect(true);
    }
    const wasBusy = this.#isBusy;
    this.#isBusy = true;
    call(core);
    this.#isBusy = wasBusy;
  }

  /** Delivers an event. Returns `false` if the core must do that. Some environments have no `timeStamp`, or another clock. */
  deliver(connection: number, frame: EventFrame, timeStamp: number | undefined): boolean {
    if (!this.#listeners.size) this.#isTimed = Math.abs(Number(timeStamp) - performance.now()) < 1_000;
    const now = this.#isTimed ? (timeStamp as number) : performance.now();
    if (this.#isBusy || this.#isDelivering || this.#isDue(now)) return false;
    const ids = this.#idsOf(connection, frame.topics);
    if (!ids) return false;
    const { domain, event, payload } = frame.event;
    const place = this.#places.get(domain)?.get(event);
    if (place !== undefined && !(isObject(payload) && this.core.fits(place, payload))) return false;
    this.#position = frame.position;
    this.#at = now;
    this.#isDelivering = true;
    const last = ids.length - 1;
    for (let index = 0; index <= last; index++)
      this.#deliver(ids[index] as number, frame, place !== undefined, index < last);
    this.#isDelivering = false;
    if (this.#isCollecting) {
      this.#isCollecting = false;
      this.call((core) => core.collect(false), true);
    }
    return true;
  }

  /** The subscriptions that get an event on these topics: each once, in their order. */
  #idsOf(connection: number, topics: readonly string[]): readonly number[] | undefined {
    if (topics.length === 1) return this.#listenersOf(connection, topics[0] as string);
    const all = new Set<number>();
    for (const topic of topics) {
      const listeners = this.#listenersOf(connection, topic);
      if (!listeners) return undefined;
      for (const id of listeners) all.add(id);
    }
    return topics.length ? [...all].sort((a, b) => a - b) : undefined;
  }

  #listenersOf(connection: number, topic: string): readonly number[] | undefined {
    if (connection !== this.#connection) this.#listeners.clear();
    this.#connection = connection;
    let listeners = this.#listeners.get(topic);
    if (!listeners) {
      listeners = this.core.listeners(connection, topic);
      if (!listeners) return undefined;
      if (this.#listeners.size >= MAX_TOPICS) this.#listeners.clear();
      this.#listeners.set(topic, listeners);
    }
    return listeners;
  }
}

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The place of each event among the payloads of all domains, by domain and event. */
type Places = ReadonlyMap<string, ReadonlyMap<string, number>>;

function placesOf(domains: readonly (Domain | string)[]): Places {
  const places = new Map<string, Map<string, number>>();
  let place = 0;
  for (const domain of domains) {
    if (typeof domain === "string") continue;
    const own = places.get(domain.name) ?? new Map<string, number>();
    places.set(domain.name, own);
    for (const [names] of domain.events) {
      for (const name of names) if (!own.has(name)) own.set(name, place);
      place++;
    }
  }
  return places;
}
