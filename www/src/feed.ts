// What the panel "Live feed" shows. It is a log for people who try the demo. The views do not need it.

import type { EventMeta, Sync, UntypedEvent } from "tidings";
import { store } from "tidings/domains";
import { create } from "zustand";
import { time, words } from "./format.ts";

/** How many entries the panel keeps. Beyond it the oldest one is removed. */
const MAX_ENTRIES = 80;

/** The latency shown is the median of this many events. */
const LATENCY_OF = 20;

/** The least time between two sentences for screen readers. */
const SPEECH_MS = 1_000;

export interface EventEntry {
  kind: "event";
  id: string;
  event: UntypedEvent;
  meta: EventMeta;
  /** From publish to this window, in milliseconds. */
  latency: number;
}

export interface SyncEntry {
  kind: "sync";
  id: string;
  sync: Sync;
  at: number;
}

interface Feed {
  /** The newest first. */
  entries: (EventEntry | SyncEntry)[];
  /** The latencies of the last events, in milliseconds. */
  latencies: number[];
  /** What this window did, or need not do, about the last trouble or own write. */
  note: string;
  /** What screen readers say. */
  spoken: string;
}

const EMPTY: Feed = { entries: [], latencies: [], note: "", spoken: "" };

export const useFeed = create<Feed>(() => EMPTY);

/** An event came. */
export function hear(event: UntypedEvent, meta: EventMeta): void {
  const latency = Math.max(0, Date.now() - meta.at);
  if (!enter({ kind: "event", id: `event ${meta.position}`, event, meta, latency })) return;
  useFeed.setState(({ latencies }) => ({ latencies: [...latencies, latency].slice(-LATENCY_OF) }));
  if (!meta.own) speak(event, meta);
}

/** Who caused an event. The bridge tells of a changed row, and does not know who wrote it. */
export const cause = ({ own, topics }: EventMeta) =>
  own ? "this window" : topics.includes(BRIDGED) ? "the table" : "another window";

const BRIDGED: string = store.topics.schema("links");

/** Events may have been missed. */
export function missed(sync: Sync): void {
  enter({ kind: "sync", id: `sync ${sync.position} ${sync.topics}`, sync, at: Date.now() });
  note("Events may have been missed, so everything was loaded again.");
}

/** The connection is back, and nothing was missed. */
export const resumed = () => note("The connection is back. Nothing was missed, so nothing was loaded.");

/** A view shows a change of this window already. Returns true: for a query's `skipOwn`. */
export function ownChangeIsShown(): true {
  note("Your change is shown already, so nothing was loaded.");
  return true;
}

export const clearFeed = () => useFeed.setState({ entries: [] });

const note = (what: string) => useFeed.setState({ note: `${time(Date.now())} ${what}` });

/** Adds an entry, unless another subscription of this window has brought the same. */
function enter(entry: EventEntry | SyncEntry): boolean {
  const { entries } = useFeed.getState();
  if (entries.some(({ id }) => id === entry.id)) return false;
  useFeed.setState({ entries: [entry, ...entries].slice(0, MAX_ENTRIES) });
  return true;
}

let unspoken: UntypedEvent[] = [];

/** Tells users of screen readers about changes elsewhere. */
function speak(event: UntypedEvent, meta: EventMeta): void {
  unspoken.push(event);
  if (unspoken.length > 1) return;
  setTimeout(() => {
    const more = unspoken.length > 1 ? ` and ${unspoken.length - 1} more` : "";
    useFeed.setState({ spoken: `In ${cause(meta)}: ${event.domain}, ${words(event.event)}${more}` });
    unspoken = [];
  }, SPEECH_MS);
}
