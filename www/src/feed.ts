import type { EventMeta, Sync, UntypedEvent } from "tidings";
import { catalogue, projects, staff, store } from "tidings/domains";
import { median, time, words } from "./format.ts";
import { byId, fill, h } from "./h.ts";
import { client, listen } from "./tidings.ts";

/** All topics except those of single contacts. The view of a contact watches its topic. */
const TOPICS = [
  staff.topics.departments,
  staff.topics.teams,
  staff.topics.people,
  projects.topics.all,
  projects.topics.templates,
  projects.topics.tasks,
  catalogue.topics.catalogue,
  store.topics.schema("contacts"),
];

/** How many entries the panel keeps. Beyond it the oldest one is removed. */
const MAX_ENTRIES = 80;

/** The latency shown is the median of this many events. */
const LATENCY_OF = 20;

/** Fills the panel that shows each event as it arrives, and the latency. */
export function startFeed(): void {
  const list = h("ol", { class: "events", "data-testid": "feed" });
  const empty = h("p", { class: "empty" }, "Nothing yet. Change something, here or in another window.");
  const clear = h(
    "button",
    { type: "button", class: "quiet small", "data-testid": "clear", onclick: () => forget() },
    "Clear",
  );
  fill(
    byId("feed"),
    h("header", {}, h("h2", { id: "feed-title" }, "Live feed"), clear),
    h("p", { class: "hint" }, "Every event that this window receives."),
    empty,
    list,
  );

  /** By event or sync, the newest last. */
  const entries = new Map<string, Entry>();
  const forget = (): void => {
    entries.clear();
    fill(list);
    empty.hidden = false;
  };
  /** Several subscriptions of this window may get the same event. It is one entry, which names all their topics. */
  const enter = (
    what: string,
    topics: readonly string[],
    make: (topics: HTMLElement) => HTMLElement,
  ): boolean => {
    const known = entries.get(what);
    if (known) {
      known.name(topics);
      return false;
    }
    const entry = new Entry(make);
    entry.name(topics);
    entries.set(what, entry);
    list.prepend(entry.element);
    empty.hidden = true;
    const [oldest] = entries;
    if (oldest && entries.size > MAX_ENTRIES) {
      entries.delete(oldest[0]);
      oldest[1].element.remove();
    }
    return true;
  };

  const latencies: number[] = [];
  const hear = (event: UntypedEvent, meta: EventMeta): void => {
    const latency = Math.max(0, Date.now() - meta.at);
    const make = (topics: HTMLElement) => eventEntry(event, meta, latency, topics);
    if (!enter(`event ${meta.position}`, meta.topics, make)) return;
    latencies.push(latency);
    if (latencies.length > LATENCY_OF) latencies.shift();
    showLatency(latencies);
    if (!meta.own) announce(event);
  };
  listen(hear);
  client.subscribe(TOPICS, hear, {
    onSync: (sync) => void enter(`sync ${sync.position}`, sync.topics, (topics) => syncEntry(sync, topics)),
  });
}

/** An event or a sync, and its topics. */
class Entry {
  readonly element: HTMLElement;
  readonly #names = new Set<string>();
  readonly #list = h("ul", { class: "topics" });

  constructor(make: (topics: HTMLElement) => HTMLElement) {
    this.element = make(this.#list);
  }

  name(topics: readonly string[]): void {
    for (const name of topics) {
      if (this.#names.has(name)) continue;
      this.#names.add(name);
      this.#list.append(h("li", {}, h("code", {}, name)));
    }
  }
}

function showLatency(latencies: number[]): void {
  const ms = median(latencies);
  const reading = byId("latency");
  reading.textContent = `latency ${ms} ms`;
  reading.title = `From publish to this window: the median of the last ${latencies.length} events`;
}

function eventEntry(event: UntypedEvent, meta: EventMeta, latency: number, topics: HTMLElement): HTMLElement {
  const { own } = meta;
  return h(
    "li",
    {
      class: own ? "event own" : "event",
      "data-domain": event.domain,
      "data-event": event.event,
      "data-latency": latency,
      "data-own": String(own),
    },
    h(
      "p",
      { class: "line" },
      h("span", { class: `chip ${event.domain}` }, event.domain),
      h("strong", {}, words(event.event)),
    ),
    h(
      "p",
      { class: "line faint" },
      h("time", {}, time(meta.at)),
      h("span", { class: "who" }, own ? "this window" : "another window"),
      `${latency} ms`,
    ),
    topics,
    h("code", { class: "position", title: "Position in the log" }, meta.position),
    h("details", {}, h("summary", {}, "payload"), h("pre", {}, JSON.stringify(event.payload, null, 1))),
  );
}

function syncEntry({ position }: Sync, topics: HTMLElement): HTMLElement {
  return h(
    "li",
    { class: "event sync", "data-event": "sync" },
    h("p", { class: "line" }, h("span", { class: "chip sync" }, "sync"), h("strong", {}, "load again")),
    h("p", { class: "line faint" }, h("time", {}, time(Date.now())), "events may have been missed"),
    topics,
    h("code", { class: "position" }, position),
  );
}

let unspoken: UntypedEvent[] = [];

/** Tells users of screen readers about changes in other windows: at most one sentence a second. */
function announce(event: UntypedEvent): void {
  unspoken.push(event);
  if (unspoken.length > 1) return;
  setTimeout(() => {
    const [first] = unspoken;
    const more = unspoken.length > 1 ? ` and ${unspoken.length - 1} more` : "";
    if (first)
      byId("announcer").textContent = `In another window: ${first.domain}, ${words(first.event)}${more}`;
    unspoken = [];
  }, 1_000);
}
