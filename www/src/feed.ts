import type { EventMeta } from "tidings";
import { origin } from "./api.ts";
import { median, time, words } from "./format.ts";
import { byId, fill, h } from "./h.ts";
import { type Heard, listen, subscribe } from "./tidings.ts";

/** Everything but the contacts' own topics, which are subscribed to by whoever shows a contact. */
const TOPICS = [
  "staff:departments",
  "staff:teams",
  "staff:people",
  "projects:all",
  "projects:templates",
  "projects:tasks",
  "catalogue",
  "store:contacts",
];

/** Entries that the panel keeps; older ones make room. */
const MAX_ENTRIES = 80;

/** Events that the latency reading is the median of. */
const LATENCY_OF = 20;

/** Positions that are remembered so as to show an event of several subscriptions once. */
const MAX_SEEN = 200;

/** Fills the panel that shows each event as it arrives, and the latency reading. */
export function startFeed(): void {
  const list = h("ol", { class: "events", "data-testid": "feed" });
  const empty = h("p", { class: "empty" }, "Nothing yet. Change something, here or in another window.");
  const clear = h("button", { type: "button", class: "quiet small", onclick: () => forget() }, "Clear");
  fill(
    byId("feed"),
    h("header", {}, h("h2", { id: "feed-title" }, "Live feed"), clear),
    h("p", { class: "hint" }, "Each event that reaches this window, as it came over the wire."),
    empty,
    list,
  );

  const forget = (): void => {
    fill(list);
    empty.hidden = false;
  };
  const add = (entry: HTMLElement): void => {
    empty.hidden = true;
    list.prepend(entry);
    while (list.children.length > MAX_ENTRIES) list.lastElementChild?.remove();
  };

  const latencies: number[] = [];
  const seen = new Set<string>();
  /** Several subscriptions of this window may hear of one event; it is shown once. */
  const isNew = (what: string): boolean => {
    if (seen.has(what)) return false;
    seen.add(what);
    const [oldest] = seen;
    if (seen.size > MAX_SEEN && oldest) seen.delete(oldest);
    return true;
  };

  listen({
    onEvent(event, meta) {
      if (!isNew(`event ${meta.position}`)) return;
      const latency = Math.max(0, Date.now() - meta.at);
      latencies.push(latency);
      if (latencies.length > LATENCY_OF) latencies.shift();
      showLatency(latencies);
      add(eventEntry(event, meta, latency));
      if (meta.origin !== origin) announce(event);
    },
    onSync(topics, position) {
      if (isNew(`sync ${position} ${topics.join(" ")}`)) add(syncEntry(topics, position));
    },
  });

  const never = new AbortController().signal;
  for (const topic of TOPICS) {
    const ignore = () => {};
    void subscribe(topic, { onEvent: ignore, onSync: ignore, onProblem: ignore, signal: never });
  }
}

function showLatency(latencies: number[]): void {
  const ms = median(latencies);
  const reading = byId("latency");
  reading.textContent = `latency ${ms} ms`;
  reading.title = `Publish to this window: median of the last ${latencies.length}, by this machine's clock`;
}

function eventEntry(event: Heard, meta: EventMeta, latency: number): HTMLElement {
  const own = meta.origin === origin;
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
    topicList(meta.topics),
    h("code", { class: "position", title: "Position in the log" }, meta.position),
    h("details", {}, h("summary", {}, "payload"), h("pre", {}, JSON.stringify(event.payload, null, 1))),
  );
}

function syncEntry(topics: readonly string[], position: string): HTMLElement {
  return h(
    "li",
    { class: "event sync", "data-event": "sync" },
    h("p", { class: "line" }, h("span", { class: "chip sync" }, "sync"), h("strong", {}, "load again")),
    h("p", { class: "line faint" }, h("time", {}, time(Date.now())), "something may have been missed"),
    topicList(topics),
    h("code", { class: "position" }, position),
  );
}

function topicList(topics: readonly string[]): HTMLElement {
  return h("ul", { class: "topics" }, ...topics.map((topic) => h("li", {}, h("code", {}, topic))));
}

let unspoken: Heard[] = [];

/** Tells users of screen readers what changed elsewhere: at most one sentence a second, however much happens. */
function announce(event: Heard): void {
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
