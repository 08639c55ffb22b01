// What the hooks of `tidings/react` show, in jsdom and with the real React, against a real server.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { staff } from "tidings/domains";
import { useClient, useStatus, useSubscription, useWatch } from "tidings/react";
import { createTestHub } from "tidings/testing";
import {
  backend,
  frames,
  ID,
  open,
  PEOPLE,
  pause,
  React,
  renderToString,
  skip,
  sockets,
  until,
  viewer,
  warnings,
} from "./react-page.js";

const { createElement: h, StrictMode } = React;
const { useCallback, useEffect, useState } = React;

test("a view shows that it loads, then its data, and loads again for each event", { skip }, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const { Viewer, seen, last } = viewer({ load, minInterval: 0 });
  page.render(h(Viewer));
  await page.shows("1");
  await until(() => !last.view.isStale);
  assert.deepEqual(
    [seen[0], seen.at(-1)],
    [
      [undefined, true, false],
      [1, false, false],
    ],
  );
  await write(2);
  await page.shows("2");
  await until(() => !last.view.isStale);
  assert.ok(seen.some(([data, , isStale]) => data === 1 && isStale));
  assert.deepEqual([store.loads, sockets.length, frames("subscribe").length], [2, 1, 1]);
  assert.deepEqual([page.faults, warnings], [[], []]);
});

test("topics that are not known yet ask for nothing, and other topics or another key are another view", {
  skip,
}, async (t) => {
  const { store, load } = backend();
  const page = open(t);
  const { Viewer, seen, last } = viewer({ load: () => load(), minInterval: 0 });
  const show = (topics, key) => page.render(h(Viewer, { topics, options: { key } }));
  // A list of rows may have none.
  show([], "a");
  await page.shows("…");
  show(null, "a");
  await page.shows("…");
  assert.deepEqual([seen, sockets.length, page.client.status], [[[undefined, false, false]], 0, "idle"]);
  show([PEOPLE, staff.topics.teams], ["a", 1]);
  await page.shows("1");
  await until(() => !last.view.isStale);
  const { view } = last;
  // The same in another order, and in other lists.
  show([staff.topics.teams, PEOPLE], ["a", 1]);
  await pause(20);
  assert.equal(last.view, view);
  assert.equal(store.loads, 1);
  store.value = 2;
  show([staff.topics.teams, PEOPLE], ["a", 2]);
  await page.shows("…");
  await page.shows("2");
  store.value = 3;
  show(PEOPLE, ["a", 2]);
  await page.shows("3");
  assert.equal(store.loads, 3);
  // A topic that nobody can mean.
  show("staff:person:undefined", "a");
  await until(() => page.faults.length);
  assert.match(page.faults[0], /was built with `undefined`/);
});

test("without a key, equal functions are one view, and a function that is new at each render is an error", {
  skip,
}, async (t) => {
  const { store, load } = backend();
  const page = open(t);
  const { Viewer } = viewer({ load, minInterval: 0 });
  page.render(h(Viewer, { key: 1 }), h(Viewer, { key: 2 }));
  await page.shows("11");
  assert.equal(store.loads, 1);

  // A function whose dependencies change, with each answer.
  const Searched = () => {
    const [text, setText] = useState(0);
    const found = useCallback(async () => text + (await load()) * 0, [text]);
    const { data } = useWatch(PEOPLE, { load: found });
    useEffect(() => {
      if (data === text && text < 9) setText(text + 1);
    });
    return `${data}`;
  };
  page.render(h(Searched));
  await page.shows("9");
  assert.deepEqual(page.faults, []);

  store.loads = 0;
  const Wrong = () => `${useWatch(PEOPLE, { load: () => load() }).data}`;
  page.render(h(Wrong));
  await until(() => page.faults.length);
  assert.match(page.faults[0], /`load` is new at each render/);
  await pause(50);
  assert.ok(store.loads <= 4, `${store.loads}`);
});

test("a view loads for each event that concerns one of its components, also one that comes later", {
  skip,
}, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const name = (wanted) => ({ concerns: ({ event }) => event === wanted });
  const { Viewer } = viewer({ load, key: "people", minInterval: 0 });
  let heard = 0;
  page.client.subscribe(PEOPLE, () => heard++);
  const [updated, created] = ["person_updated", "person_created"].map((event) =>
    h(Viewer, { key: event, options: name(event) }),
  );
  page.render(updated);
  await page.shows("1");
  await write(2, { event: "person_created" });
  await until(() => heard === 1);
  await pause(20);
  assert.deepEqual([store.loads, page.text()], [1, "1"]);
  page.render(updated, created);
  await page.shows("22");
  await write(3, { event: "person_created" });
  await page.shows("33");
  await write(4);
  await page.shows("44");
  await write(5, { event: "person_deleted" });
  await until(() => heard === 4);
  await pause(20);
  assert.deepEqual([store.loads, page.text()], [4, "44"]);
});

test("an own write that is shown at once is not loaded, and nothing else is skipped", { skip }, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const { Viewer, last } = viewer({ load, key: "people", minInterval: 0, skipOwn: true });
  let heard = 0;
  page.client.subscribe(PEOPLE, () => heard++);
  page.render(h(Viewer, { key: 1 }), h(Viewer, { key: 2 }));
  await page.shows("11");
  await until(() => !last.view.isStale);
  const own = () => ({ origin: page.client.writeHeaders()["Tidings-Origin"] });
  last.view.setData((data) => data + 1);
  await page.shows("22");
  await write(2, own());
  await until(() => heard === 1);
  await pause(20);
  assert.deepEqual([store.loads, page.text(), last.view.isStale], [1, "22", false]);
  await write(3);
  await page.shows("33");
  await until(() => !last.view.isStale);
  // One of two components does not show the write.
  page.render(h(Viewer, { key: 1 }), h(Viewer, { key: 2, options: { skipOwn: () => false } }));
  await pause(20);
  await write(4, own());
  await page.shows("44");
  // A view that lingers has not shown the write.
  page.render();
  await page.shows("");
  await write(5, own());
  await until(() => heard === 4);
  page.render(h(Viewer));
  await page.shows("5");
  assert.equal(store.loads, 4);
});

test("an error is shown beside the data, and `reload` loads again", { skip }, async (t) => {
  const { load, write } = backend();
  const page = open(t);
  let fails = false;
  const { Viewer, last } = viewer({
    key: "people",
    minInterval: 0,
    load: () => (fails ? Promise.reject(Object.assign(new Error("no"), { retryable: false })) : load()),
  });
  page.render(h(Viewer));
  await page.shows("1");
  const { reload } = last.view;
  fails = true;
  await write(2);
  await until(() => last.view.error);
  assert.deepEqual(
    [
      last.view.error.code,
      last.view.error.cause.message,
      last.view.data,
      last.view.isLoading,
      last.view.isStale,
    ],
    ["load_failed", "no", 1, false, true],
  );
  fails = false;
  assert.equal(last.view.reload, reload);
  reload();
  await page.shows("2");
  await until(() => !last.view.isStale);
  assert.deepEqual([last.view.error, warnings, page.faults], [undefined, [], []]);
});

test("data is stale while there is no connection, and until it is known that nothing was missed", {
  skip,
}, async (t) => {
  const { store, load } = backend();
  const page = open(t);
  const { Viewer, seen, last } = viewer({ load, key: "people" });
  const Status = () => useStatus();
  page.render(h(Status));
  await page.shows("idle");
  page.render(h(Status), h(Viewer));
  await page.shows("open1");
  await until(() => !last.view.isStale);
  seen.length = 0;
  sockets[0].close();
  await until(() => last.view.isStale);
  await until(() => !last.view.isStale);
  assert.deepEqual([page.client.status, store.loads, sockets.length], ["open", 1, 2]);
  assert.deepEqual(seen, [
    [1, false, true],
    [1, false, false],
  ]);
  page.client.close();
  await page.shows("closed1");
  assert.deepEqual([last.view.isStale, last.view.isLoading, page.faults], [true, false, []]);
});

test("data is stale while the server hears nothing from its journal", async (t) => {
  const hub = createTestHub();
  t.after(() => hub.close());
  const { store, load } = backend();
  const page = open(t, hub.createClient({ domains: [staff] }));
  const { Viewer, seen, last } = viewer({ load, key: "people" });
  const Status = () => useStatus();
  page.render(h(Status), h(Viewer));
  await page.shows("open1");
  await until(() => !last.view.isStale);
  seen.length = 0;
  hub.degrade();
  await page.shows("degraded1");
  assert.deepEqual(seen.splice(0), [[1, false, true]]);
  last.view.reload();
  await until(() => store.loads === 2);
  await until(() => !last.view.isLoading);
  assert.equal(last.view.isStale, true, "a load says nothing of what comes late");
  hub.restore();
  await page.shows("open1");
  await until(() => !last.view.isStale);
  assert.deepEqual([store.loads, page.faults], [2, []]);
  hub.degrade();
  store.value = 2;
  hub.emit(PEOPLE, { domain: "staff", event: "person_updated", payload: { uuid: ID } });
  await page.shows("degraded1");
  hub.restore();
  await page.shows("open2");
  await until(() => !last.view.isStale);
  assert.deepEqual([store.loads, page.faults], [3, []]);
});

test("a subscription calls the newest handler, and subscribes again only for other topics", {
  skip,
}, async (t) => {
  const { write } = backend();
  const page = open(t);
  const heard = [];
  let ready = 0;
  const Hears = ({ name, topics }) => {
    useSubscription(topics, (event) => heard.push(`${name}:${event.event}`), { onReady: () => ready++ });
    return name;
  };
  const show = (name, topics) => page.render(h(StrictMode, null, h(Hears, { name, topics })));
  show("a", null);
  await page.shows("a");
  assert.equal(sockets.length, 0);
  show("b", [PEOPLE]);
  await until(() => ready);
  show("c", [PEOPLE]);
  await page.shows("c");
  await write(1);
  await until(() => heard.length);
  assert.deepEqual([heard, ready, frames("subscribe").length], [["c:person_updated"], 1, 1]);
  show("d", [staff.topics.teams, PEOPLE]);
  await until(() => ready === 2);
  await write(1);
  await until(() => heard.length === 2);
  page.render();
  await page.shows("");
  await write(1);
  await pause(50);
  assert.deepEqual(
    [heard.slice(1), frames("subscribe").length, sockets.length],
    [["d:person_updated"], 2, 1],
  );
  await until(() => frames("unsubscribe").length === 1);
  assert.deepEqual(frames("unsubscribe")[0].topics, [PEOPLE, staff.topics.teams]);
  assert.deepEqual([page.faults, warnings], [[], []]);
});

test("a hook without a provider is an error", (_t) => {
  const Lost = () => useClient() && "";
  assert.throws(() => renderToString(h(Lost)), /no TidingsProvider/);
});

test("a refused topic is an error of its view, and `reload` and a remount ask for it again", async (t) => {
  const hub = createTestHub();
  t.after(() => hub.close());
  const { store, load } = backend();
  const page = open(t, hub.createClient({ domains: [staff] }));
  const { Viewer, last } = viewer({ load, key: "people" });
  hub.refuse([PEOPLE]);
  page.render(h(Viewer));
  await until(() => last.view?.error);
  assert.deepEqual([last.view.error.code, last.view.isLoading, store.loads], ["forbidden", false, 0]);
  const asked = () => hub.frames.filter(({ op }) => op === "subscribe").length;
  assert.equal(asked(), 1);
  last.view.reload();
  await until(() => asked() === 2 && last.view.error);
  page.render();
  await page.shows("");
  hub.allow();
  page.render(h(Viewer));
  await page.shows("1");
  // It is taken away while the view lingers.
  page.render();
  await page.shows("");
  hub.refuse([PEOPLE]);
  await until(() => hub.subscriptions.length === 0);
  hub.allow();
  store.value = 2;
  page.render(h(Viewer));
  await page.shows("2");
  await until(() => !last.view.isStale && last.view.error === undefined);
  // One of two topics is taken away: the view goes on, and knows that it may be out of date.
  const [people, teams] = [PEOPLE, staff.topics.teams];
  page.render(h(Viewer, { topics: [people, teams], options: { minInterval: 0 } }));
  await page.shows("2");
  await until(() => !last.view.isStale);
  hub.refuse([teams]);
  await until(() => last.view.error);
  assert.equal(last.view.error.topic, teams);
  store.value = 3;
  hub.emit([people], { domain: "staff", event: "person_updated", payload: { uuid: ID } });
  await page.shows("3");
  await until(() => !last.view.isLoading);
  assert.deepEqual([last.view.error.topic, last.view.isStale, page.faults], [teams, true, []]);
  hub.allow();
  store.value = 4;
  last.view.reload();
  await page.shows("4");
  await until(() => !last.view.isStale && last.view.error === undefined);
  // The same while the view lingers.
  page.render();
  await page.shows("");
  hub.refuse([teams]);
  await until(() => !hub.subscriptions.includes(teams));
  hub.allow();
  page.render(h(Viewer, { topics: [people, teams] }));
  await until(() => hub.subscriptions.includes(teams) && !last.view.isStale);
  assert.deepEqual([last.view.error, page.faults], [undefined, []]);
});

test("topics that linger make room for those that are shown", async (t) => {
  const hub = createTestHub();
  t.after(() => hub.close());
  const { load } = backend();
  const page = open(t, hub.createClient());
  const { Viewer, last } = viewer({ load, key: "k" });
  hub.refuse(["things:new"], "too_many_topics");
  const ends = mock.fn();
  const { watch } = page.client;
  page.client.watch = (...args) => {
    const handle = watch.apply(page.client, args);
    const { unsubscribe } = handle;
    handle.unsubscribe = () => {
      ends(args[0]);
      unsubscribe.call(handle);
    };
    return handle;
  };
  page.render(h(Viewer, { topics: "things:old" }));
  await page.shows("1");
  page.render(h(Viewer, { topics: "things:new" }));
  await until(() => last.view.error);
  assert.deepEqual([last.view.error.code, last.view.error.retryable], ["too_many_topics", true]);
  assert.deepEqual(ends.mock.calls[0].arguments, [["things:old"]]);
  hub.allow();
  // The client asks again when a topic is given back.
  page.client.subscribe("things:other", () => {}).unsubscribe();
  await page.shows("1");
  await until(() => !last.view.error && !last.view.isStale);
});

test("a view that waits for room for a topic says so, though another of its topics gets a sync", async (t) => {
  const hub = createTestHub();
  t.after(() => hub.close());
  const { store, load } = backend();
  const page = open(t, hub.createClient());
  const { Viewer, last } = viewer({ load, key: "k" }, ["things:here", "things:waits"]);
  hub.refuse(["things:waits"], "too_many_topics");
  page.render(h(Viewer));
  await page.shows("1");
  store.value = 2;
  hub.sync("things:here");
  await page.shows("2");
  await until(() => !last.view.isLoading);
  assert.deepEqual([last.view.error?.topic, last.view.isStale], ["things:waits", true]);
  store.value = 3;
  hub.allow();
  hub.drop();
  await page.shows("3");
  await until(() => !last.view.error && !last.view.isStale);
  assert.deepEqual(page.faults, []);
});
