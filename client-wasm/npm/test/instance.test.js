// Events that bypass the state machine of the core: nothing else may differ.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Client } from "../dist/client.js";
import { load } from "../dist/core-inline.js";
import { staff } from "../dist/domains.js";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const PEOPLE = "staff:people";
const TEAMS = "staff:teams";

/** A client, and the names of the calls of its core since the last look. */
async function open(t, options = {}) {
  useFake(t);
  const { module, glue } = await load();
  let calls = [];
  const watched = () => {
    const { initSync, Core } = glue();
    for (const name of ["message", "listeners", "fits", "delivered", "timeout"]) {
      const real = Core.prototype[name];
      Core.prototype[name] = function (...args) {
        calls.push(name);
        return real.apply(this, args);
      };
    }
    return { initSync, Core };
  };
  const url = "http://127.0.0.1:1/v1/ws";
  const client = new Client(async () => ({ module, glue: watched }), { url, domains: [staff], ...options });
  t.after(() => client.close());
  const taken = () => {
    const all = calls;
    calls = [];
    return all;
  };
  return { client, taken };
}

/** A clock that stands, and timers that never fire. */
function stop(t) {
  const clock = { now: 1_000 };
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const now = mock.method(performance, "now", () => clock.now);
  t.after(() => now.mock.restore());
  return clock;
}

const turn = () => new Promise(setImmediate);

test("an event calls the core for its payload only, and the last position goes into the resume", async (t) => {
  const { client, taken } = await open(t);
  const heard = [];
  await client.subscribe(PEOPLE, (event, { decoded }) => heard.push([event.event, decoded])).ready;
  await client.subscribe([PEOPLE, TEAMS], (_, { topics }) => heard.push(topics)).ready;
  await settled();
  taken();
  socket().event([PEOPLE], { uuid: ID }, { position: 8 });
  assert.deepEqual(taken(), ["listeners", "fits"]);
  socket().event([PEOPLE], { uuid: ID }, { position: 9 });
  assert.deepEqual(taken(), ["fits"]);
  socket().event([PEOPLE], {}, { position: 10, event: "of_next_year" });
  assert.deepEqual(taken(), []);
  socket().event([PEOPLE, TEAMS], { uuid: ID }, { position: 11, event: "person_deleted" });
  assert.deepEqual(heard, [
    ["person_updated", true],
    [PEOPLE],
    ["person_updated", true],
    [PEOPLE],
    ["of_next_year", false],
    [PEOPLE],
    ["person_deleted", true],
    [PEOPLE, TEAMS],
  ]);
  taken();
  socket().drop();
  assert.equal(taken()[0], "delivered");
  while (sockets.length < 2 || client.status !== "open") await settled();
  await settled();
  assert.equal(socket().sent.find(({ op }) => op === "subscribe").since, "000000000abc.11.0000001f");
});

test("a load begins after all handlers have had the event", async (t) => {
  const { client } = await open(t);
  const log = [];
  const options = { minInterval: 0, load: () => log.push("load"), onData: () => {} };
  client.watch(PEOPLE, options);
  client.watch(PEOPLE, options);
  await client.subscribe(PEOPLE, () => log.push("event")).ready;
  await settled();
  log.length = 0;
  for (let n = 0; n < 2; n++) {
    socket().event([PEOPLE], { uuid: ID });
    await settled();
  }
  assert.deepEqual(log, ["event", "load", "event", "load"]);
});

test("an event that comes while handlers run waits for its turn", async (t) => {
  const { client } = await open(t);
  const heard = [];
  const positions = (who) => (_, meta) => heard.push(`${who} ${meta.position.split(".")[1]}`);
  await client.subscribe(PEOPLE, (_, meta) => {
    positions("a")(_, meta);
    if (heard.length === 1) socket().event([PEOPLE], { uuid: ID }, { position: 9 });
  }).ready;
  await client.subscribe(PEOPLE, positions("b")).ready;
  socket().event([PEOPLE], { uuid: ID }, { position: 8 });
  assert.deepEqual(heard, ["a 8", "b 8", "a 9", "b 9"]);
});

test("a handler may end and begin subscriptions, and the next event knows them", async (t) => {
  const { client } = await open(t);
  const heard = [];
  const first = client.subscribe(PEOPLE, () => {
    heard.push("first");
    first.unsubscribe();
    second.unsubscribe();
    client.subscribe(PEOPLE, () => heard.push("third"));
  });
  const second = client.subscribe(PEOPLE, () => heard.push("second"));
  await second.ready;
  socket().event([PEOPLE], { uuid: ID });
  assert.deepEqual(heard, ["first"]);
  await settled();
  socket().event([PEOPLE], { uuid: ID });
  assert.deepEqual(heard, ["first", "third"]);
});

for (const [what, timeStamp] of [
  ["no time", () => undefined],
  ["the time of the page's clock", (now) => now],
  ["the time of another clock", (now) => now + 1_700_000_000_000],
  ["no time but 0", () => 0],
])
  test(`events with ${what} keep a connection, and silence after them ends it`, async (t) => {
    const clock = stop(t);
    const { client } = await open(t);
    client.subscribe(PEOPLE, () => {});
    while (client.status !== "open") await turn();
    const { onmessage } = socket();
    socket().onmessage = (event) => onmessage({ ...event, timeStamp: timeStamp(clock.now) });
    for (let n = 0; n < 8; n++) {
      clock.now += 20_000;
      t.mock.timers.tick(20_000);
      await turn();
      assert.equal(client.status, "open");
      socket().event([PEOPLE], { uuid: ID });
      socket().event([PEOPLE], { uuid: ID });
    }
    // A ping is due after 25 s, and has 10 s more.
    clock.now += 36_000;
    t.mock.timers.tick(36_000);
    await turn();
    assert.notEqual(client.status, "open");
  });

test("an event does the work of a timer that is late", async (t) => {
  const clock = stop(t);
  server.answer = undefined;
  let asked = 0;
  const { client, taken } = await open(t, { token: () => `token ${++asked}` });
  server.answer = (socket, frame) => {
    if (frame.op !== "hello") return answer(socket, frame);
    const { receive } = socket;
    socket.receive = (welcome) => receive.call(socket, { ...welcome, expires_in_ms: 60_000 });
    answer(socket, frame);
    socket.receive = receive;
  };
  client.subscribe(PEOPLE, () => {});
  while (client.status !== "open") await turn();
  await turn();
  socket().event([PEOPLE], { uuid: ID });
  assert.equal(asked, 1);
  clock.now += 55_000;
  taken();
  socket().event([PEOPLE], { uuid: ID });
  await turn();
  assert.ok(taken().includes("message"));
  assert.equal(asked, 2);
});
