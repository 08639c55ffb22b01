// The one timer of a client.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { settled, socket, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";

/** Counts the calls of timers until the test is over. */
function count(t) {
  const set = mock.method(globalThis, "setTimeout");
  const clear = mock.method(globalThis, "clearTimeout");
  t.after(() => {
    set.mock.restore();
    clear.mock.restore();
  });
  return () => set.mock.callCount() + clear.mock.callCount();
}

test("a message sets no timer: the timer looks at the clock when it fires", async (t) => {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  let heard = 0;
  await client.subscribe(staff.topics.people, () => heard++).ready;
  await settled();
  const real = performance.now;
  t.after(() => {
    performance.now = real;
  });
  const calls = count(t);
  for (let n = 1; n <= 1_000; n++) {
    // A clock that stands still would hide it.
    performance.now = () => real.call(performance) + n;
    socket().event([staff.topics.people], { uuid: ID });
  }
  assert.equal(heard, 1_000);
  assert.equal(calls(), 0);
});

test("the client notices a silent server in time, however late its last message was", async (t) => {
  useFake(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const turn = () => new Promise(setImmediate);
  let now = 1_000;
  const clock = mock.method(performance, "now", () => now);
  t.after(() => clock.mock.restore());
  const pass = async (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
    await turn();
  };
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  const subscription = client.subscribe(staff.topics.people, () => {});
  while (client.status !== "open") await turn();
  await subscription.ready;
  // The server promised a ping each 25 s, and has 10 s more.
  for (let n = 0; n < 5; n++) {
    await pass(20_000);
    socket().receive({ op: "ping" });
  }
  await pass(34_999);
  assert.equal(client.status, "open");
  await pass(2);
  assert.equal(client.status, "reconnecting");
});
