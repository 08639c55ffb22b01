// Mounts of components with the hooks of `tidings/react`: what they cost, and what they keep. In jsdom, against a real server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { TidingsProvider, useStatus, useSubscription, useWatch } from "tidings/react";
import {
  backend,
  frames,
  hydrateRoot,
  open,
  PEOPLE,
  pause,
  React,
  renderToString,
  skip,
  sockets,
  until,
  url,
  viewer,
  warnings,
} from "./react-page.js";

const { createElement: h, StrictMode, Suspense, Activity } = React;
const { startTransition, use, useEffect, useState } = React;

test("StrictMode mounts twice: one socket, one subscribe, one load, also where the topic is in force", {
  skip,
}, async (t) => {
  const { store, load } = backend();
  const page = open(t);
  const { Viewer } = viewer({ load: () => load(), key: "people" });
  page.render(h(StrictMode, null, h(Viewer, { key: 1 })));
  await page.shows("1");
  page.render(h(StrictMode, null, h(Viewer, { key: 1 }), h(Viewer, { key: 2, options: { key: "others" } })));
  await page.shows("11");
  await pause(20);
  assert.deepEqual([store.loads, sockets.length], [2, 1]);
  assert.deepEqual([frames("subscribe").length, frames("unsubscribe").length], [1, 0]);
  assert.deepEqual([page.faults, warnings], [[], []]);
});

test("1,000 rows with an inline load and one key load once, and once more for an event", {
  skip,
}, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const Row = ({ row }) => {
    const { data } = useWatch([PEOPLE], { key: ["people"], load: () => load() });
    return h("i", null, data === undefined ? "" : `${data}:${row} `);
  };
  const rows = Array.from({ length: 1_000 }, (_, row) => h(Row, { key: row, row }));
  page.render(rows);
  await until(() => page.text().endsWith("1:999 "));
  await write(2);
  await until(() => page.text().endsWith("2:999 "));
  assert.equal(page.text().match(/2:/g).length, 1_000);
  assert.deepEqual([store.loads, sockets.length, frames("subscribe").length], [2, 1, 1]);
  assert.deepEqual(page.faults, []);
});

test("300 rows with a topic each subscribe in few frames, on one socket", { skip }, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const id = (row) => `0198c0de-0000-7000-8000-${`${row}`.padStart(12, "0")}`;
  const stale = new Set();
  const Row = ({ row, keys }) => {
    const { data, isStale } = useWatch(staff.topics.person(id(row)), { key: "person", load });
    useEffect(() => void (isStale ? stale.add(row) : stale.delete(row)));
    return h("i", null, data === undefined ? "" : `${data}:${row} `, keys);
  };
  const rows = (keys) => Array.from({ length: 300 }, (_, row) => h(Row, { key: keys + row, row, keys }));
  page.render(rows("a"));
  await until(() => page.text().match(/1:/g)?.length === 300);
  // A slow machine may load before the topics are in force, and again then.
  await until(() => stale.size === 0);
  assert.ok(frames("subscribe").length <= 4, `${frames("subscribe").length} frames`);
  await write(2, { uuid: id(7) });
  await until(() => page.text().includes("2:7 "));
  await until(() => stale.size === 0);
  const { loads } = store;
  // Mounted anew, in the same turn.
  page.render(rows("b"));
  await until(() => page.text().endsWith("b"));
  assert.equal(page.text().match(/\d:/g).length, 300);
  await pause(50);
  assert.deepEqual([store.loads, sockets.length, frames("unsubscribe").length], [loads, 1, 0]);
  assert.deepEqual(page.faults, []);
});

test("a component that is mounted again shows its data at once, and loads only if something was missed", {
  skip,
}, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const { Viewer, seen, last } = viewer({ load: () => load(), key: "people", minInterval: 0 });
  page.render(h(Viewer));
  await until(() => last.view?.isStale === false && last.view.data === 1);
  page.render();
  await page.shows("");
  seen.length = 0;
  page.render(h(Viewer));
  await page.shows("1");
  await pause(20);
  assert.deepEqual([seen, store.loads], [[[1, false, false]], 1]);

  page.render();
  await page.shows("");
  let heard = 0;
  page.client.subscribe(PEOPLE, () => heard++);
  await write(2);
  await until(() => heard);
  await pause(20);
  assert.equal(store.loads, 1);
  seen.length = 0;
  page.render(h(Viewer));
  await page.shows("2");
  assert.deepEqual([seen[0].slice(0, 1), store.loads], [[1], 2]);
  assert.ok(
    seen.every(([data, , _isStale]) => data === 2 || data === 1),
    `${seen}`,
  );
  assert.ok(seen.some(([data, , isStale]) => data === 1 && isStale));
  assert.deepEqual([sockets.length, frames("subscribe").length, frames("unsubscribe").length], [1, 1, 0]);
});

test("a view ends when it has lingered, and the oldest ends when too many linger", { skip }, async (t) => {
  const { store, load } = backend();
  const page = open(t);
  const { Viewer } = viewer({ load, key: "people", linger: 30 });
  page.render(h(Viewer));
  await page.shows("1");
  page.render();
  await until(() => frames("unsubscribe").length === 1);
  page.render(h(Viewer));
  await page.shows("1");
  assert.equal(store.loads, 2);
  // A view that is shown again does not end.
  page.render();
  await page.shows("");
  page.render(h(Viewer));
  await page.shows("1");
  await pause(60);
  assert.deepEqual([store.loads, frames("unsubscribe").length], [2, 1]);

  const LIMIT = 2_000;
  const Item = ({ item, mark }) =>
    h("i", null, useWatch(PEOPLE, { key: item, load: () => ++store.loads }).data && mark);
  const item = (mark) => (_, n) => h(Item, { key: mark + n, item: `${n}`, mark });
  const show = async (mark) => {
    page.render(Array.from({ length: LIMIT + 5 }, item(mark)));
    await page.shows(mark.repeat(LIMIT + 5));
  };
  await show("a");
  store.loads = 0;
  // Mounted anew in one commit: none of them ends.
  await show("b");
  // React runs effects after it has shown the page.
  await pause(100);
  assert.equal(store.loads, 0);
  page.render();
  await page.shows("");
  await pause(20);
  await show("c");
  assert.equal(store.loads, 5);
  assert.deepEqual([frames("subscribe").length, page.faults], [2, []]);
});

test("a hidden Activity loads nothing, and shows at once what it had when it is visible again", {
  skip,
}, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const { Viewer, last } = viewer({ load: () => load(), key: "people", minInterval: 0 });
  let heard = 0;
  page.client.subscribe(PEOPLE, () => heard++);
  const show = (mode) => page.render(h(StrictMode, null, h(Activity, { mode }, h("p", null, h(Viewer)))));
  const isHidden = () => page.container.firstChild?.style.display === "none";
  show("hidden");
  await until(isHidden);
  assert.equal(store.loads, 0);
  show("visible");
  await page.shows("1");
  for (let turn = 0; turn < 5; turn++) {
    show("hidden");
    await until(isHidden);
    show("visible");
    await until(() => !isHidden());
  }
  await until(() => !last.view.isStale);
  assert.equal(store.loads, 1);
  show("hidden");
  await until(isHidden);
  await write(2);
  await until(() => heard);
  await pause(20);
  assert.equal(store.loads, 1);
  show("visible");
  await page.shows("2");
  assert.deepEqual([store.loads, sockets.length, frames("subscribe").length], [2, 1, 1]);
  assert.deepEqual([page.faults, warnings], [[], []]);
});

test("hooks in a Suspense boundary that suspends, in a transition, lose nothing", { skip }, async (t) => {
  const { store, load, write } = backend();
  const page = open(t);
  const { Viewer } = viewer({ load: () => load(), key: "people", minInterval: 0 });
  let go;
  const Waits = ({ promise }) => use(promise);
  let suspend;
  const App = () => {
    const [promise, setPromise] = useState();
    suspend = (isTransition) => {
      const next = new Promise((resolve) => (go = resolve));
      if (isTransition) startTransition(() => setPromise(next));
      else setPromise(next);
    };
    return h(Suspense, { fallback: "waits" }, h(Viewer), h(Viewer), promise && h(Waits, { promise }));
  };
  page.render(h(App));
  await page.shows("11");
  for (const [value, isTransition] of [
    [2, true],
    [3, false],
  ]) {
    suspend(isTransition);
    await pause(20);
    await write(value);
    // In a transition the old page stays, and is live. Else the fallback is shown.
    const isShown = () => page.text().endsWith(isTransition ? `${value}${value}` : "waits");
    await until(isShown);
    await until(() => store.loads === value);
    go("!");
    await page.shows(`${value}${value}!`);
  }
  assert.deepEqual([store.loads, sockets.length, frames("subscribe").length], [3, 1, 1]);
  assert.deepEqual(page.faults, []);

  // A component that never gets beyond its fallback asks for nothing.
  const Never = () => {
    useWatch("staff:teams", { key: "never", load });
    return use(new Promise(() => {}));
  };
  page.render(h(Suspense, { fallback: "never" }, h(Never)));
  await page.shows("never");
  await pause(20);
  assert.deepEqual([store.loads, frames("subscribe").length], [3, 1]);
});

test("a page that is rendered on a server says that it loads, subscribes to nothing, and is hydrated without a warning", {
  skip,
}, async (t) => {
  const { store, load } = backend();
  const client = createClient({ url: `${url}/v1/ws` });
  t.after(() => client.close());
  const { Viewer, last } = viewer({ load, key: "people" });
  const Status = () => useStatus();
  const Hears = () => useSubscription(PEOPLE, () => {}) ?? "";
  const App = () => h(StrictMode, null, h(TidingsProvider, { client }, h(Status), " ", h(Viewer), h(Hears)));
  const html = renderToString(h(App));
  assert.match(html, /^idle<!-- --> <!-- -->…/);
  assert.deepEqual([last.view.isLoading, client.status, sockets.length], [true, "idle", 0]);
  const container = document.body.appendChild(document.createElement("div"));
  container.innerHTML = html;
  const root = hydrateRoot(container, h(App), {
    onRecoverableError: (error) => warnings.push(error.message),
  });
  t.after(() => root.unmount());
  await until(() => container.textContent === "open 1");
  assert.deepEqual([store.loads, warnings], [1, []]);
  root.unmount();
  assert.equal(client.status, "open");
});
