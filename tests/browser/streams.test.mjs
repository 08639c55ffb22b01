// The EventSource of a browser, and those of two packages, with the server's stream of events.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EventSourcePolyfill } from "event-source-polyfill";
import { EventSource } from "eventsource";
import { Hub, Relay, stuck } from "./hub.mjs";
import { launch } from "./window.mjs";

const TOPIC = "clock";
const OPS = ["subscribed", "event", "sync", "goaway"];
const CLOSED = 2;
const PATIENCE_MS = 30_000;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Collects the blocks of a stream. It also runs in a page, so it uses nothing from outside. */
function listen(source, ops) {
  const seen = [];
  for (const op of ops) source.addEventListener(op, (event) => seen.push(JSON.parse(event.data)));
  return seen;
}

/** EventSources of a package. */
class Package {
  constructor(name, Source, url, count) {
    this.name = name;
    this.sources = Array.from({ length: count }, () => new Source(`${url}/v1/events?topic=${TOPIC}`));
    this.seen = this.sources.map((source) => listen(source, OPS));
  }

  async look() {
    return this.sources.map((source, index) => ({ state: source.readyState, seen: this.seen[index] }));
  }

  async close() {
    for (const source of this.sources) source.close();
  }
}

/** EventSources of a page in Chromium. */
class Page {
  name = "Chromium";

  static async open(url, count) {
    const page = await browser.newPage();
    // Any page of the server's own origin will do.
    await page.goto(`${url}/health`);
    await page.evaluate(
      (code, ops, topic, length) => {
        const note = new Function(`return (${code})`)();
        window.sources = Array.from({ length }, () => new EventSource(`/v1/events?topic=${topic}`));
        window.seen = window.sources.map((source) => note(source, ops));
      },
      listen.toString(),
      OPS,
      TOPIC,
      count,
    );
    const sources = new Page();
    sources.page = page;
    return sources;
  }

  look() {
    return this.page.evaluate(() =>
      window.sources.map((source, index) => ({ state: source.readyState, seen: window.seen[index] })),
    );
  }

  close() {
    return this.page.close();
  }
}

async function open(url, count) {
  return [
    new Package("eventsource", EventSource, url, count),
    new Package("event-source-polyfill", EventSourcePolyfill, url, count),
    await Page.open(url, count),
  ];
}

/** Waits until every source fulfils the condition. A source that is closed for good never does. */
async function every(kinds, what, holds) {
  const end = Date.now() + PATIENCE_MS;
  for (const kind of kinds) {
    for (;;) {
      const sources = await kind.look();
      for (const { state, seen } of sources)
        assert.notEqual(
          state,
          CLOSED,
          `${kind.name} is closed for good after ${JSON.stringify(seen.at(-1))}`,
        );
      if (sources.every(({ seen }) => holds(seen))) break;
      assert.ok(Date.now() < end, `${kind.name}: ${what}, but ${JSON.stringify(sources)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const count = (seen, op) => seen.filter((frame) => frame.op === op).length;
const numbers = (seen) => seen.filter(({ op }) => op === "event").map(({ event }) => event.payload.number);

test("every EventSource comes back from a delayed drain and gets a sync", async () => {
  let hub = await Hub.start(0, ["--drain-spread", "0s"]);
  const peer = await stuck(hub.url);
  const kinds = await open(hub.url, 4);
  try {
    await every(kinds, "subscribed was to come", (seen) => count(seen, "subscribed") === 1);
    await hub.publish(TOPIC, 1);
    await every(kinds, "an event was to come", (seen) => numbers(seen).length === 1);
    const { port } = new URL(hub.url);
    await hub.end("SIGTERM");
    await every(kinds, "nothing was to close", () => true);
    const looks = (await Promise.all(kinds.map((kind) => kind.look()))).flat();
    assert.ok(
      looks.some(({ seen }) => count(seen, "goaway") > 1),
      "nobody came back during the drain",
    );
    hub = await Hub.start(port, []);
    await every(kinds, "a sync was to come", (seen) => count(seen, "sync") === 1);
    await hub.publish(TOPIC, 2);
    await every(kinds, "the next event was to come", (seen) => numbers(seen).join() === "1,2");
  } finally {
    peer.destroy();
    await Promise.all(kinds.map((kind) => kind.close()));
    await hub.end("SIGKILL");
  }
});

test("every EventSource that loses its connection resumes and misses nothing", async () => {
  const hub = await Hub.start(0, []);
  const relay = await Relay.start(hub.url);
  const kinds = await open(relay.url, 2);
  try {
    await every(kinds, "subscribed was to come", (seen) => count(seen, "subscribed") === 1);
    await hub.publish(TOPIC, 1);
    await every(kinds, "an event was to come", (seen) => numbers(seen).length === 1);
    relay.cut();
    await hub.publish(TOPIC, 2);
    await hub.publish(TOPIC, 3);
    await every(kinds, "what was missed was to come", (seen) => numbers(seen).join() === "1,2,3");
    for (const kind of kinds)
      for (const { seen } of await kind.look())
        assert.equal(seen.findLast(({ op }) => op === "subscribed").topics[0].outcome, "resumed", kind.name);
  } finally {
    await Promise.all(kinds.map((kind) => kind.close()));
    await relay.stop();
    await hub.end("SIGKILL");
  }
});
