// The page of the tests: clients of the packed package, and what each of them heard. The tests call `window.page`.

import * as entries from "tidings";
import { staff } from "tidings/domains";
import * as urlEntries from "tidings/url";

const ENTRIES = { tidings: entries, "tidings/url": urlEntries };

/** The page's own events, in their order. */
const life = [];
for (const type of ["pageshow", "pagehide", "online", "offline"])
  addEventListener(type, ({ persisted }) => life.push(persisted ? `${type} persisted` : type));
for (const type of ["visibilitychange", "freeze", "resume"])
  document.addEventListener(type, () =>
    life.push(type === "visibilitychange" ? document.visibilityState : type),
  );

/** When the network or the page itself came back, in milliseconds of `performance.now()`. */
let returnedAt = 0;
for (const type of ["online", "pageshow"])
  addEventListener(type, () => {
    returnedAt = performance.now();
  });

const told = ({ code, message, hint, retryable, topic }) => ({ code, message, hint, retryable, topic });

/** A client, and what it heard. */
class Tab {
  statuses = [];
  errors = [];
  /** Payloads of events, in their order. */
  events = [];
  metas = [];
  /** The tags of the callbacks of subscriptions and watches. */
  notices = [];
  loads = 0;
  /** The data of the last load. */
  data = null;
  /** Milliseconds from the return of the network, or of the page, to the connection. */
  backAfter = 0;

  constructor(entry, { tokens, ...options }) {
    // The tests' server gives tokens.
    if (tokens) options.token = () => fetch(tokens, { method: "POST" }).then((answer) => answer.text());
    this.client = ENTRIES[entry].createClient({ domains: [staff], ...options });
    this.client.on("status", (status) => {
      this.statuses.push(status);
      if (status === "open") this.backAfter = performance.now() - returnedAt;
    });
    this.client.on("error", (error) => this.errors.push(told(error)));
  }

  async subscribe(topics) {
    await this.client.subscribe(
      topics,
      (event, meta) => {
        this.events.push(event.payload);
        this.metas.push(meta);
      },
      {
        onSync: () => this.notices.push("sync"),
        onResume: () => this.notices.push("resumed"),
        onError: (error) => this.errors.push(told(error)),
      },
    ).ready;
  }

  async watch(topics, url, options) {
    await this.client.watch(topics, {
      load: async (signal) => {
        this.loads++;
        const answer = await fetch(url, { signal, cache: "no-store" });
        if (!answer.ok) throw new Error(`the answer is ${answer.status}`);
        return answer.json();
      },
      onData: (data) => {
        this.data = data;
      },
      onError: (error) => this.errors.push(told(error)),
      onNotice: (notice) => this.notices.push(`watch ${notice}`),
      ...options,
    }).ready;
  }

  look() {
    const { statuses, errors, events, metas, notices, loads, data, backAfter } = this;
    const { status, lastError } = this.client;
    const last = lastError ? told(lastError) : null;
    return { status, lastError: last, statuses, errors, events, metas, notices, loads, data, backAfter };
  }
}

const tabs = {};
let rows;

/** The messages of the worker that nobody has asked for yet. */
const messages = [];

/** The next message of the worker. */
async function heard() {
  while (!messages.length) await new Promise((resolve) => setTimeout(resolve, 10));
  return messages.shift();
}

window.page = {
  /** Creates a client by the name of `tab`. */
  create: (tab, options, entry) => {
    tabs[tab] = new Tab(entry, options);
  },
  subscribe: (tab, topics) => tabs[tab].subscribe(topics),
  /** Subscribes and does not wait. */
  begin: (tab, topics) => {
    void tabs[tab].subscribe(topics).catch(() => {});
  },
  watch: (tab, topics, url, options) => tabs[tab].watch(topics, url, options),
  publish: (tab, event, options) => tabs[tab].client.publish(event, options),
  /** Starts a worker with a client, and waits until it is subscribed. */
  startWorker: (url, topics) => {
    const worker = new Worker("/worker.js", { type: "module" });
    worker.onmessage = ({ data }) => messages.push(data);
    worker.onerror = ({ message }) => messages.push(message);
    worker.postMessage({ url, topics });
    return heard();
  },
  heard,
  /** Renders a row of React for each person. */
  render: async (tab, people) => {
    rows ??= await import("./rows.js");
    rows.render(tabs[tab].client, people);
  },
  texts: () => rows.texts(),
  close: (tab) => tabs[tab].client.close(),
  /** The topic of a person, by the package's builder. */
  person: (uuid) => staff.topics.person(uuid),
  look: (tab) => ({ ...tabs[tab].look(), life, isOnline: navigator.onLine }),
  /** The files that the page has loaded. */
  files: () => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname),
  /** Makes each wait of the client's back-off as long as it may be. */
  waitLong: () => {
    Math.random = () => 0.999;
  },
};
