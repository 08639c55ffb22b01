// Watches that are paused, and watches that share their loads by a key.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const PEOPLE = staff.topics.people;

function open(t) {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  return client;
}

const changed = () => socket().event([PEOPLE], { uuid: ID });

/** A watch. The test ends its loads. */
function view(client, { topics = PEOPLE, ...options } = {}) {
  const [running, shown, errors] = [[], [], []];
  const load = (signal) =>
    new Promise((resolve, reject) => {
      running.push({ signal, resolve, reject });
    });
  const watch = client.watch(topics, {
    load,
    onData: (data) => shown.push(data),
    onError: ({ code }) => errors.push(code),
    minInterval: 0,
    ...options,
  });
  return { watch, running, shown, errors };
}

/** A watch that has loaded. */
async function loaded(client, options) {
  const all = view(client, options);
  await all.watch.ready;
  all.running[0].resolve("first");
  await settled();
  assert.deepEqual(all.shown, ["first"]);
  return all;
}

const frames = (op) => socket().sent.filter((frame) => frame.op === op).length;

test("a paused watch keeps its subscription and loads nothing, and loads at once when it is resumed", async (t) => {
  const { watch, running, shown } = await loaded(open(t));
  watch.pause();
  changed();
  changed();
  watch.reload();
  await settled();
  assert.equal(running.length, 1);
  watch.resume();
  assert.equal(running.length, 2);
  running[1].resolve("second");
  await settled();
  assert.deepEqual(shown, ["first", "second"]);
  changed();
  assert.equal(running.length, 3);
  assert.deepEqual([frames("subscribe"), frames("unsubscribe")], [1, 0]);
});

test("a paused watch does not show the writes of the page, so `skipOwn` skips none of them", async (t) => {
  const client = open(t);
  const { watch, running } = await loaded(client, { skipOwn: true });
  const write = () => {
    const origin = client.writeHeaders()["Tidings-Origin"];
    socket().event([PEOPLE], { uuid: ID }, { origin });
  };
  write();
  watch.pause();
  watch.resume();
  assert.equal(running.length, 1);
  watch.pause();
  write();
  watch.resume();
  assert.equal(running.length, 2);
});

test("a watch that missed nothing while it was paused loads nothing", async (t) => {
  const { watch, running } = await loaded(open(t), { concerns: ({ event }) => event === "person_updated" });
  watch.pause();
  socket().event([PEOPLE], { uuid: ID }, { event: "person_created" });
  watch.resume();
  watch.resume();
  await settled();
  assert.equal(running.length, 1);
});

test("a watch that is paused before its first load loads when it is resumed, whether its topic is in force or not", async (t) => {
  const client = open(t);
  const early = view(client);
  early.watch.pause();
  early.watch.resume();
  await early.watch.ready;
  assert.equal(early.running.length, 1);

  // The core runs already, and still waits for the topic.
  server.answer = (socket, frame) => frame.op !== "subscribe" && answer(socket, frame);
  const other = view(client, { topics: staff.topics.teams });
  other.watch.pause();
  other.watch.resume();
  while (frames("subscribe") < 2) await settled();
  assert.equal(other.running.length, 0);
  server.answer = undefined;
  answer(socket(), socket().sent.at(-1));
  await other.watch.ready;
  assert.equal(other.running.length, 1);

  const late = view(client);
  late.watch.pause();
  await late.watch.ready;
  await settled();
  assert.equal(late.running.length, 0);
  late.watch.resume();
  assert.equal(late.running.length, 1);
});

test("a load that runs when the watch is paused goes on, and its data is shown", async (t) => {
  const { watch, running, shown } = view(open(t));
  await watch.ready;
  watch.pause();
  assert.equal(running[0].signal.aborted, false);
  running[0].resolve("first");
  await settled();
  watch.resume();
  await settled();
  assert.deepEqual([shown, running.length], [["first"], 1]);
});

test("an event during a load that goes on in a paused watch causes a load when it is resumed", async (t) => {
  const { watch, running } = view(open(t));
  await watch.ready;
  watch.pause();
  changed();
  running[0].resolve("older than the event");
  await settled();
  assert.equal(running.length, 1);
  watch.resume();
  assert.equal(running.length, 2);
});

test("a load that fails in a paused watch is not tried again before the watch is resumed", async (t) => {
  for (const retryable of [true, false]) {
    const { watch, running, errors } = view(open(t));
    await watch.ready;
    watch.pause();
    running[0].reject(Object.assign(new Error("no"), { retryable }));
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual([errors, running.length], [["load_failed"], 1]);
    watch.resume();
    assert.equal(running.length, 2);
  }
});

test("a sync of a paused watch causes a load when it is resumed, and a reconnect that missed nothing causes none", async (t) => {
  const notices = [];
  const { watch, running } = await loaded(open(t), { onNotice: (notice) => notices.push(notice) });
  watch.pause();
  socket().drop();
  while (notices.length < 1) await settled();
  watch.resume();
  await settled();
  assert.deepEqual([notices, running.length, sockets.length], [["resumed"], 1, 2]);
  watch.pause();
  socket().receive({ op: "sync", position: "000000000abc.9.0000001f", topics: [PEOPLE] });
  await settled();
  assert.deepEqual([notices, running.length], [["resumed", "sync"], 1]);
  watch.resume();
  assert.equal(running.length, 2);
});

test("a watch that is resumed while the client reconnects loads what it missed, and again if it missed more", async (t) => {
  const client = open(t);
  const { watch, running } = await loaded(client);
  watch.pause();
  changed();
  server.answer = (socket, frame) => {
    if (frame.op !== "subscribe") return answer(socket, frame);
    const topics = frame.topics.map((topic) => ({ topic, outcome: "live" }));
    socket.receive({ op: "subscribed", ref: frame.ref, position: "000000000abd.1.0000001f", topics });
  };
  socket().drop();
  assert.equal(client.status, "reconnecting");
  watch.resume();
  assert.equal(running.length, 2);
  running[1].resolve("without a connection");
  while (running.length < 3) await settled();
  assert.equal(client.status, "open");
});

test("watches with one key share their loads, and the function of the newest is called", async (t) => {
  const client = open(t);
  const shown = Array.from({ length: 200 }, () => []);
  const load = mock.fn((row) => row);
  const rows = shown.map((data, row) =>
    client.watch(PEOPLE, { key: "people", load: () => load(row), onData: (loaded) => data.push(loaded) }),
  );
  await Promise.all(rows.map(({ ready }) => ready));
  await settled();
  assert.equal(load.mock.callCount(), 1);
  assert.ok(shown.every((data) => data.length === 1 && data[0] === 199));
});

test("a key alone is not enough: topics and interval count too, and a watch without a key is another", async (t) => {
  const client = open(t);
  const load = mock.fn(() => 1);
  const watch = (topics, options) => client.watch(topics, { load, onData: () => {}, ...options });
  const watches = [
    watch(PEOPLE, { key: "a" }),
    watch(PEOPLE, { key: "a" }),
    watch(PEOPLE, { key: "b" }),
    watch(PEOPLE, { key: "a", minInterval: 1_000 }),
    watch([PEOPLE, staff.topics.teams], { key: "a" }),
    watch([staff.topics.teams, PEOPLE], { key: "a" }),
    watch(PEOPLE, {}),
    watch(PEOPLE, { load: () => load(), key: "" }),
  ];
  await Promise.all(watches.map(({ ready }) => ready));
  await settled();
  assert.equal(load.mock.callCount(), 6);
  assert.throws(() => watch(PEOPLE, { key: 7 }), /`key` must be a string, but is a number/);
});

test("while one of two watches is paused, both get the data of a load, and neither loads while both are", async (t) => {
  const client = open(t);
  const stored = { is: 1 };
  const load = mock.fn(() => stored.is);
  const shown = { a: [], b: [] };
  const options = (name) => ({ key: "k", load, onData: (data) => shown[name].push(data), minInterval: 0 });
  const [a, b] = [client.watch(PEOPLE, options("a")), client.watch(PEOPLE, options("b"))];
  await b.ready;
  await settled();
  a.pause();
  stored.is = 2;
  changed();
  await settled();
  assert.deepEqual(shown, { a: [1, 2], b: [1, 2] });
  b.pause();
  stored.is = 3;
  changed();
  await settled();
  assert.equal(load.mock.callCount(), 2);
  a.resume();
  await settled();
  b.resume();
  await settled();
  assert.deepEqual([shown, load.mock.callCount()], [{ a: [1, 2, 3], b: [1, 2, 3] }, 3]);
  // The end of the only watch that is not paused pauses the loads.
  a.pause();
  b.unsubscribe();
  changed();
  await settled();
  assert.equal(load.mock.callCount(), 3);
  // A watch that has ended resumes nothing, whatever the others are.
  b.resume();
  await settled();
  assert.equal(load.mock.callCount(), 3);
});

test("a watch that is resumed does not wait for its interval, and one that was not paused does", async (t) => {
  const client = open(t);
  const { watch, running } = await loaded(client, { minInterval: 60_000 });
  changed();
  watch.resume();
  assert.equal(running.length, 1);
  watch.pause();
  watch.resume();
  assert.equal(running.length, 2);
  running[1].resolve();
  await settled();
  watch.pause();
  socket().receive({ op: "sync", position: "000000000abc.9.0000001f", topics: [PEOPLE] });
  watch.resume();
  assert.equal(running.length, 3);
});

test("a watch that has ended makes no other load", async (t) => {
  const client = open(t);
  const load = mock.fn(() => 1);
  const [a, b] = [1, 2].map(() => client.watch(PEOPLE, { load, onData: () => {} }));
  await b.ready;
  await settled();
  a.pause();
  b.unsubscribe();
  b.reload();
  a.resume();
  await settled();
  assert.equal(load.mock.callCount(), 1);
});
