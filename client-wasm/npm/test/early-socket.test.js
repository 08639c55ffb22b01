// The WebSocket that opens while the core is loaded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../dist/client.js";
import { load } from "../dist/core-inline.js";
import { settled, sockets, useFake } from "./fake.js";

const URL = "http://127.0.0.1:1/v1/ws";
const turn = () => new Promise(setImmediate);

/** A client whose core is there when the test says so. */
async function open(t, options = {}) {
  useFake(t);
  const core = await load();
  let arrive;
  let fail;
  const loads = () =>
    new Promise((resolve, reject) => {
      arrive = () => resolve(core);
      fail = reject;
    });
  const client = new Client(loads, { url: URL, ...options });
  t.after(() => client.close());
  const statuses = [];
  client.on("status", (status) => statuses.push(status));
  return { client, statuses, arrive: () => arrive(), fail: (error) => fail(error) };
}

/** Which of the sockets are closed, and which frames each has sent. */
const seen = () => sockets.map(({ readyState, sent }) => [readyState === 3, sent.map(({ op }) => op)]);

for (const [when, isOpen] of [
  ["opened before the core was there", true],
  ["still opens", false],
])
  test(`a WebSocket that ${when} is the core's, and the only one`, async (t) => {
    const { client, statuses, arrive } = await open(t, { token: "a JWT" });
    const { ready } = client.subscribe("staff:people", () => {});
    await (isOpen ? turn() : undefined);
    assert.equal(sockets[0].readyState, Number(isOpen));
    assert.deepEqual(seen(), [[false, []]]);
    arrive();
    await ready;
    await settled();
    assert.deepEqual(seen(), [[false, ["hello", "subscribe"]]]);
    assert.equal(sockets[0].sent[0].token, "a JWT");
    assert.deepEqual(statuses, ["connecting", "open"]);
  });

test("if the core takes 3 seconds, the early WebSocket is closed, and the core opens another", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, arrive } = await open(t);
  const { ready } = client.subscribe("staff:people", () => {});
  await turn();
  t.mock.timers.tick(2_999);
  assert.deepEqual(seen(), [[false, []]]);
  t.mock.timers.tick(1);
  assert.deepEqual(seen(), [[true, []]]);
  arrive();
  await ready;
  assert.deepEqual(seen(), [
    [true, []],
    [false, ["hello", "subscribe"]],
  ]);
});

test("an early WebSocket that failed is the first attempt to connect", async (t) => {
  const { client, statuses, arrive } = await open(t);
  const { ready } = client.subscribe("staff:people", () => {});
  await turn();
  sockets[0].drop();
  assert.deepEqual(statuses, ["connecting"]);
  arrive();
  await ready;
  assert.deepEqual(statuses, ["connecting", "reconnecting", "connecting", "open"]);
  assert.equal(sockets.length, 2);
});

test("an early WebSocket that hears anything is closed, because no server speaks first", async (t) => {
  const { client, statuses, arrive } = await open(t);
  const { ready } = client.subscribe("staff:people", () => {});
  await turn();
  sockets[0].receive({ op: "ping" });
  arrive();
  await ready;
  assert.deepEqual(seen(), [
    [true, []],
    [false, ["hello", "subscribe"]],
  ]);
  assert.deepEqual(statuses, ["connecting", "open"]);
});

test("an early WebSocket that nobody needs any more is closed", async (t) => {
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  t.after(() => delete globalThis.addEventListener);
  const putAway = () => target.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  for (const [what, end] of [
    ["its user closes the client", ({ client }) => client.close()],
    ["the page is put away", putAway],
    ["the core cannot be loaded", ({ fail }) => fail(new Error("no"))],
    [
      "its only subscription ends",
      ({ subscription, arrive }) => {
        subscription.unsubscribe();
        arrive();
      },
    ],
  ]) {
    const opened = await open(t);
    opened.client.on("error", () => {});
    const subscription = opened.client.subscribe("staff:people", () => {}, { onError: () => {} });
    await turn();
    assert.deepEqual(seen(), [[false, []]], what);
    end({ ...opened, subscription });
    await settled();
    assert.deepEqual(seen(), [[true, []]], what);
  }
});

test("no WebSocket opens early if nobody waits for it, or if a function must give a token first", async (t) => {
  const { client, arrive } = await open(t, { token: () => "a JWT" });
  const { ready } = client.subscribe("staff:people", () => {});
  await turn();
  assert.deepEqual(seen(), []);
  arrive();
  await ready;
  assert.equal(sockets.length, 1);
  const other = await open(t);
  other.client.subscribe("staff:people", () => {}).unsubscribe();
  await turn();
  assert.deepEqual(seen(), []);
});
