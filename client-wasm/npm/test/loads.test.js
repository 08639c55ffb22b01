// When the loads of watches begin, and which watches get the data.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { answer, server, settled, socket, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const PEOPLE = staff.topics.people;

function open(t) {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  return client;
}

const changed = (topics = [PEOPLE]) => socket().event(topics, { uuid: ID });

/** A clock and timers that the test controls. */
function clock(t) {
  let now = 1_000;
  const real = mock.method(performance, "now", () => now);
  t.after(() => real.mock.restore());
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const turn = () => new Promise(setImmediate);
  const pass = async (ms) => {
    for (let n = 0; n < ms; n++) {
      now += 1;
      t.mock.timers.tick(1);
    }
    await turn();
    await turn();
  };
  return { pass, turn, now: () => now };
}

test("with an event each 10 ms a watch loads four times a second: at the first event at once, and once after the last", async (t) => {
  const { pass, turn, now } = clock(t);
  const client = open(t);
  const begun = [];
  let [stored, shown] = [0, undefined];
  const load = () => {
    begun.push(now());
    return stored;
  };
  client.watch(PEOPLE, { load, onData: (data) => (shown = data) });
  while (!begun.length) await turn();
  await pass(1_000);
  assert.equal(begun.length, 1);
  const start = now();
  for (let n = 1; n <= 200; n++) {
    stored = n;
    changed();
    await pass(10);
  }
  await pass(250);
  const pauses = begun.slice(1).map((at, n) => at - begun[n]);
  assert.equal(begun[1], start);
  assert.ok(
    pauses.every((ms) => ms >= 250),
    `${pauses}`,
  );
  assert.ok(begun.length >= 9 && begun.length <= 10, `${begun.length}`);
  assert.equal(shown, 200);
  const loads = begun.length;
  await pass(5_000);
  assert.equal(begun.length, loads);
});

test("a watch keeps its `minInterval`, and `reload` does not wait for it", async (t) => {
  const { pass, turn } = clock(t);
  const client = open(t);
  let loads = 0;
  const view = client.watch(PEOPLE, { load: () => ++loads, onData: () => {}, minInterval: 5_000 });
  while (!loads) await turn();
  await turn();
  changed();
  await pass(4_998);
  assert.equal(loads, 1);
  await pass(2);
  assert.equal(loads, 2);
  view.reload();
  assert.equal(loads, 3);
});

test("200 rows that watch one topic with one `load` load once, and all get the data", async (t) => {
  const client = open(t);
  const load = mock.fn(async () => ({ people: 3 }));
  const shown = Array.from({ length: 200 }, () => 0);
  const rows = shown.map((_, row) => client.watch(PEOPLE, { load, onData: () => shown[row]++ }));
  await Promise.all(rows.map(({ ready }) => ready));
  await settled();
  assert.equal(load.mock.callCount(), 1);
  assert.deepEqual(new Set(shown), new Set([1]));
  await new Promise((resolve) => setTimeout(resolve, 260));
  changed();
  await settled();
  assert.equal(load.mock.callCount(), 2);
  assert.deepEqual(new Set(shown), new Set([2]));

  // The same for a topic that is in force already, within one turn.
  const more = mock.fn(() => 1);
  for (let row = 0; row < 200; row++) client.watch(PEOPLE, { load: more, onData: () => {} });
  await settled();
  await settled();
  assert.equal(more.mock.callCount(), 1);
});

test("watches share loads if their topics are equal in any order and spelling, and not otherwise", async (t) => {
  const client = open(t);
  const load = mock.fn(() => 1);
  const other = mock.fn(() => 1);
  const onData = () => {};
  const person = staff.topics.person(ID);
  const views = [
    client.watch([PEOPLE, person], { load, onData }),
    client.watch([person.toUpperCase().replace("STAFF:PERSON", "staff:person"), PEOPLE], { load, onData }),
    client.watch(PEOPLE, { load, onData }),
    client.watch([PEOPLE, person], { load: other, onData }),
    client.watch([PEOPLE, person], { load, onData, minInterval: 1_000 }),
  ];
  await Promise.all(views.map(({ ready }) => ready));
  await settled();
  assert.deepEqual([load.mock.callCount(), other.mock.callCount()], [3, 1]);
});

test("a shared load is aborted when its last watch ends, and not before", async (t) => {
  const client = open(t);
  const [signals, shown] = [[], []];
  let end;
  const load = (signal) => {
    signals.push(signal);
    return new Promise((resolve) => {
      end = resolve;
    });
  };
  const rows = ["a", "b", "c"].map((row) => client.watch(PEOPLE, { load, onData: () => shown.push(row) }));
  await rows[2].ready;
  await settled();
  rows[0].unsubscribe();
  assert.equal(signals[0].aborted, false);
  end("data");
  await settled();
  assert.deepEqual(shown, ["b", "c"]);
  rows[1].reload();
  assert.equal(signals.length, 2);
  rows[1].unsubscribe();
  assert.equal(signals[1].aborted, false);
  rows[2].unsubscribe();
  assert.equal(signals[1].aborted, true);
});

test("a watch that comes later loads, even if the others are up to date", async (t) => {
  const client = open(t);
  let stored = 1;
  const load = () => stored;
  const shown = [];
  const uninterested = { load, onData: () => {}, concerns: () => false };
  await client.watch(PEOPLE, uninterested).ready;
  await settled();
  stored = 2;
  changed();
  client.watch(PEOPLE, { load, onData: (data) => shown.push(data) });
  while (!shown.length) await settled();
  assert.deepEqual(shown, [2]);
});

test("each `onError` hears of a load that failed, and the client's listeners hear of it once", async (t) => {
  const client = open(t);
  const told = { client: 0, a: 0, b: 0 };
  client.on("error", () => told.client++);
  const load = () => Promise.reject(Object.assign(new Error("no"), { retryable: false }));
  const onData = () => {};
  client.watch(PEOPLE, { load, onData, onError: () => told.a++ });
  client.watch(PEOPLE, { load, onData, onError: () => told.b++ });
  client.watch(PEOPLE, { load, onData });
  await client.watch(PEOPLE, { load, onData }).ready;
  await settled();
  assert.deepEqual(told, { client: 1, a: 1, b: 1 });
});

test("an `onData` that throws or ends its watch harms no other", async (t) => {
  const client = open(t);
  const thrown = [];
  globalThis.reportError = (error) => thrown.push(error.message);
  t.after(() => delete globalThis.reportError);
  const shown = [];
  const load = () => 1;
  client.watch(PEOPLE, {
    load,
    onData: () => {
      shown.push("first");
      second.unsubscribe();
      throw new Error("of the user");
    },
  });
  const second = client.watch(PEOPLE, { load, onData: () => shown.push("second") });
  const third = client.watch(PEOPLE, { load, onData: () => shown.push("third") });
  await third.ready;
  await settled();
  assert.deepEqual([shown, thrown], [["first", "third"], ["of the user"]]);
});

test("a refused topic leaves the loads of the others as they are", async (t) => {
  const client = open(t);
  server.answer = (socket, frame) => {
    if (frame.op !== "subscribe") return answer(socket, frame);
    const refused = { outcome: "refused", code: "forbidden" };
    const topics = frame.topics.map((topic) => ({
      topic,
      ...(topic === PEOPLE ? { outcome: "live" } : refused),
    }));
    socket.receive({ op: "subscribed", ref: frame.ref, position: "000000000abc.7.0000001f", topics });
  };
  const load = mock.fn(() => 1);
  let shown = 0;
  const options = { load, onData: () => shown++, onError: () => {} };
  for (let row = 0; row < 3; row++) client.watch([PEOPLE, staff.topics.teams], options);
  while (shown < 3) await settled();
  await settled();
  assert.deepEqual([load.mock.callCount(), shown], [1, 3]);
});
