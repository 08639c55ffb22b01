import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient, TidingsError } from "tidings";
import { staff } from "tidings/domains";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const PEOPLE = staff.topics.people;

/** A load that the test ends. */
function loads() {
  const running = [];
  const load = (signal) =>
    new Promise((resolve, reject) => {
      running.push({ signal, resolve, reject });
    });
  return { running, load };
}

/** A client, and a view of a store. The test ends its loads. */
function open(t, options = {}) {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  const { running, load } = loads();
  const [shown, errors, notices] = [[], [], []];
  const view = client.watch(PEOPLE, {
    load,
    onData: (data) => shown.push(data),
    onError: (error) => errors.push(error),
    onNotice: (notice) => notices.push(notice),
    minInterval: 0,
    ...options,
  });
  return { client, view, running, shown, errors, notices };
}

const changed = (origin) => socket().event([PEOPLE], { uuid: ID }, { origin });

test("a view is loaded once its topic is in force, and again for each event, one load at a time", async (t) => {
  const { view, running, shown } = open(t);
  server.answer = (socket, frame) => frame.op !== "subscribe" && answer(socket, frame);
  while (socket()?.sent.length !== 2) await settled();
  assert.equal(running.length, 0);
  server.answer = undefined;
  answer(socket(), socket().sent[1]);
  await view.ready;
  assert.equal(running.length, 1);
  changed();
  changed();
  assert.equal(running.length, 1);
  running[0].resolve("first");
  await settled();
  assert.deepEqual(shown, ["first"]);
  assert.equal(running.length, 2);
  running[1].resolve("second");
  await settled();
  assert.deepEqual(shown, ["first", "second"]);
  assert.equal(running.length, 2);
});

test("a reconnect that missed nothing loads nothing, a sync loads", async (t) => {
  const { view, running, notices } = open(t);
  await view.ready;
  running[0].resolve();
  await settled();
  socket().drop();
  while (sockets.length < 2 || notices.length < 1) await settled();
  assert.deepEqual(notices, ["resumed"]);
  assert.equal(running.length, 1);
  socket().receive({ op: "sync", position: "000000000abc.9.0000001f", topics: [PEOPLE] });
  assert.deepEqual(notices, ["resumed", "sync"]);
  assert.equal(running.length, 2);
});

test("a load that fails leaves the data, tells why, and is tried again", async (t) => {
  const { view, running, shown, errors } = open(t);
  await view.ready;
  const cause = new Error("no network");
  running[0].reject(cause);
  while (running.length < 2) await settled();
  assert.ok(errors[0] instanceof TidingsError);
  assert.deepEqual([errors[0].code, errors[0].retryable, errors[0].cause], ["load_failed", true, cause]);
  assert.deepEqual(shown, []);
  running[1].resolve("there");
  await settled();
  assert.deepEqual(shown, ["there"]);
});

test("a load that can't succeed is not tried before the next event or `reload`", async (t) => {
  const { view, running, errors } = open(t);
  await view.ready;
  running[0].reject(Object.assign(new Error("gone"), { retryable: false }));
  await settled();
  assert.equal(running.length, 1);
  assert.equal(errors[0].retryable, false);
  // An event during a wait for a retry causes no load of its own.
  changed();
  assert.equal(running.length, 2);
  running[1].reject({ retryable: false });
  await settled();
  view.reload();
  assert.equal(running.length, 3);
});

test("a `load` that throws before it returns a promise is a failed load", async (t) => {
  const load = mock.fn(() => {
    throw Object.assign(new Error("at once"), { retryable: false });
  });
  const { view, errors } = open(t, { load });
  await view.ready;
  await settled();
  assert.equal(errors[0].cause.message, "at once");
  assert.equal(load.mock.callCount(), 1);
});

test("an event that cannot be read loads all the same", async (t) => {
  const { client, view, running, errors } = open(t);
  const told = [];
  client.on("error", ({ code }) => told.push(code));
  await view.ready;
  running[0].resolve();
  await settled();
  socket().event([PEOPLE], { uuid: 7 });
  assert.equal(running.length, 2);
  assert.deepEqual([errors, told], [[], ["invalid_event"]]);
});

test("events that do not concern the data load nothing, and a filter that throws does", async (t) => {
  const thrown = [];
  globalThis.reportError = (error) => thrown.push(error.message);
  t.after(() => delete globalThis.reportError);
  let concerns = () => false;
  const { view, running } = open(t, { concerns: (...args) => concerns(...args) });
  await view.ready;
  running[0].resolve();
  await settled();
  changed();
  assert.equal(running.length, 1);
  concerns = () => {
    throw new Error("of the user");
  };
  changed();
  assert.equal(running.length, 2);
  assert.deepEqual(thrown, ["of the user"]);
});

test("after the end nothing is loaded or shown, and a running load is aborted", async (t) => {
  const { view, running, shown } = open(t);
  await view.ready;
  view.unsubscribe();
  assert.equal(running[0].signal.aborted, true);
  running[0].resolve("late");
  changed();
  view.reload();
  await settled();
  assert.deepEqual(shown, []);
  assert.equal(running.length, 1);
});

test("`meta.own` knows what this client caused, by a publish or through a backend", async (t) => {
  const { client, view } = open(t);
  const other = createClient();
  const heard = [];
  client.subscribe(PEOPLE, (_, { own }) => heard.push(own));
  await view.ready;
  await client.publish({ domain: "staff", event: "person_updated", payload: { uuid: ID } });
  const { origin } = socket().sent.at(-1);
  assert.ok(origin.length <= 64);
  changed(origin);
  changed(client.writeHeaders()["Tidings-Origin"]);
  changed(other.writeHeaders()["Tidings-Origin"]);
  changed("something else");
  changed(undefined);
  assert.deepEqual(heard, [true, true, false, false, false]);
});

test("skipOwn skips an own event, unless a load may have read the store before the write", async (t) => {
  const { client, view, running, notices } = open(t, { skipOwn: true });
  await view.ready;
  const duringLoad = client.writeHeaders()["Tidings-Origin"];
  changed(duringLoad);
  assert.deepEqual(notices, []);
  running[0].resolve();
  await settled();
  assert.equal(running.length, 2);
  running[1].resolve();
  await settled();
  // The write began before the last load ended. That load's data may be older, and is shown on top of the write.
  changed(duringLoad);
  assert.equal(running.length, 3);
  running[2].resolve();
  await settled();

  changed(client.writeHeaders()["Tidings-Origin"]);
  assert.deepEqual(notices, ["own"]);
  assert.equal(running.length, 3);
  changed("another's");
  assert.equal(running.length, 4);
});

test("two writes of one page that overtake each other do not leave the view stale", async (t) => {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  let [store, shown] = ["off", undefined];
  const view = client.watch(PEOPLE, {
    load: () => store,
    onData: (data) => {
      shown = data;
    },
    skipOwn: true,
    minInterval: 0,
  });
  await view.ready;
  await settled();
  assert.equal(shown, "off");
  /** Shows a write before it is sent. Returns the function that the backend runs when the request arrives. */
  const write = (value) => {
    shown = value;
    const origin = client.writeHeaders()["Tidings-Origin"];
    return () => {
      store = value;
      changed(origin);
    };
  };
  const tick = write("on");
  await settled();
  const untick = write("off");
  await settled();
  // Two requests, two connections: the later one is served first.
  untick();
  tick();
  await settled();
  assert.equal(shown, store);
});

test("a view with skipOwn ends as the store is, in whatever order writes, events and loads happen", async (t) => {
  let state = 1;
  const below = (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % n;
  };
  let [store, shown] = [0, undefined];
  /** The steps that can happen next, in any order. */
  const tasks = [];
  const load = () =>
    new Promise((resolve) => {
      tasks.push(() => {
        const read = store;
        tasks.push(() => resolve(read));
      });
    });
  const onData = (data) => {
    shown = data;
  };
  const { client, view, notices } = open(t, { load, onData, skipOwn: true });
  await view.ready;
  const write = (value) => {
    const isOwn = below(3) > 0;
    if (isOwn) shown = value;
    const origin = isOwn ? client.writeHeaders()["Tidings-Origin"] : "another's";
    tasks.push(() => {
      store = value;
      tasks.push(() => changed(origin));
    });
  };
  for (let round = 1; round <= 200; round++) {
    for (let left = 1 + below(5); left || tasks.length; await new Promise(setImmediate)) {
      if (left && (!tasks.length || !below(3))) write(`${round}.${left--}`);
      else tasks.splice(below(tasks.length), 1)[0]();
    }
    assert.equal(shown, store, `round ${round}`);
  }
  assert.ok(notices.length > 50, `${notices.length} skipped`);
});

test("skipOwn may be a function that chooses events", async (t) => {
  const { client, view, running } = open(t, { skipOwn: ({ event }) => event === "person_updated" });
  await view.ready;
  running[0].resolve();
  await settled();
  const own = () => ({ origin: client.writeHeaders()["Tidings-Origin"] });
  socket().event([PEOPLE], { uuid: ID }, own());
  assert.equal(running.length, 1);
  socket().event([PEOPLE], { uuid: ID }, { event: "person_created", ...own() });
  assert.equal(running.length, 2);
});

test("a view that its user ends after a load took too long loads and shows nothing more", async (t) => {
  useFake(t);
  const real = performance.now;
  t.after(() => {
    performance.now = real;
  });
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  const [shown, signals] = [[], []];
  const view = client.watch(PEOPLE, {
    load: (signal) => {
      signals.push(signal);
      return signals.length === 1 ? new Promise(() => {}) : "after the end";
    },
    onData: (data) => shown.push(data),
    onError: () => view.unsubscribe(),
  });
  await view.ready;
  await settled();
  performance.now = () => real.call(performance) + 31_000;
  changed();
  await settled();
  assert.deepEqual([signals.length, shown], [1, []]);
});

test("a refused topic is an error, and the others are loaded", async (t) => {
  useFake(t);
  server.answer = (socket, frame) => {
    if (frame.op !== "subscribe") return answer(socket, frame);
    const [first, second] = frame.topics;
    const topics = [
      { topic: first, outcome: "live" },
      { topic: second, outcome: "refused", code: "forbidden" },
    ];
    socket.receive({ op: "subscribed", ref: frame.ref, position: "000000000abc.7.0000001f", topics });
  };
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  const [shown, errors] = [[], []];
  client.watch([PEOPLE, staff.topics.teams], {
    load: () => "people",
    onData: (data) => shown.push(data),
    onError: ({ code }) => errors.push(code),
  });
  while (!shown.length) await settled();
  assert.deepEqual([shown, errors], [["people"], ["forbidden"]]);
});

test("a page that is put away closes its connection, and connects again when it is shown", async (t) => {
  const heard = [];
  const target = () => {
    const target = new EventTarget();
    return Object.assign(target, {
      addEventListener(type, ...rest) {
        heard.push(type);
        EventTarget.prototype.addEventListener.call(target, type, ...rest);
      },
    });
  };
  const [page, document] = [target(), Object.assign(target(), { visibilityState: "visible" })];
  globalThis.addEventListener = page.addEventListener;
  globalThis.document = document;
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.document;
  });
  const { client, view, running, notices } = open(t);
  await view.ready;
  running[0].resolve();
  await settled();

  page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: false }));
  assert.equal(client.status, "open");
  page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  assert.equal(client.status, "reconnecting");
  await settled();
  assert.equal(sockets[0].readyState, 3);
  page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  while (!notices.length) await settled();
  assert.deepEqual([notices, running.length, sockets.length], [["resumed"], 1, 2]);

  const pings = () => socket().sent.filter(({ op }) => op === "ping").length;
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(pings(), 0);
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  page.dispatchEvent(new Event("online"));
  assert.equal(pings(), 2);
  document.dispatchEvent(new Event("freeze"));
  assert.equal(client.status, "reconnecting");
  // As a browser does when it thaws a tab behind another one.
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("resume"));
  while (client.status !== "open") await settled();

  client.close();
  document.dispatchEvent(new Event("freeze"));
  assert.deepEqual(heard, ["online", "pageshow", "pagehide", "visibilitychange", "freeze", "resume"]);
});
