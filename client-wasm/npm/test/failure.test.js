// A core that fails. No input should make it fail, so the tests do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../dist/client.js";
import { load } from "../dist/core-inline.js";
import { staff } from "../dist/domains.js";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";

/** A client whose cores fail when they are told to. */
async function open(t) {
  useFake(t);
  const { module, glue } = await load();
  const sabotage = { next: false, always: false };
  const fail = () => {
    if (!(sabotage.next || sabotage.always)) return;
    sabotage.next = false;
    throw new WebAssembly.RuntimeError("unreachable");
  };
  const failing = () => {
    const real = glue();
    class Core extends real.Core {
      message(...args) {
        fail();
        super.message(...args);
      }
      fits(...args) {
        fail();
        return super.fits(...args);
      }
      timeout() {
        fail();
        super.timeout();
      }
    }
    return { initSync: real.initSync, Core };
  };
  const client = new Client(async () => ({ module, glue: failing }), {
    url: "http://127.0.0.1:1/v1/ws",
    domains: [staff],
  });
  t.after(() => client.close());
  const errors = [];
  client.on("error", ({ code, retryable }) => errors.push([code, retryable]));
  return { client, sabotage, errors };
}

test("a core that fails is replaced: everything is subscribed again and told to load again", async (t) => {
  const { client, sabotage, errors } = await open(t);
  const [heard, synced] = [[], []];
  const onSync = (sync) => synced.push(sync.topics);
  await client.subscribe("staff:people", ({ payload }) => heard.push(payload.n), { onSync }).ready;
  server.answer = () => {};
  const published = client.publish({ domain: "staff", event: "person_updated", payload: { uuid: ID } });
  await settled();
  server.answer = undefined;
  const dead = socket();
  sabotage.next = true;
  dead.event(["staff:people"], { uuid: ID, n: 1 });
  assert.deepEqual(errors, [["core_failed", true]]);
  assert.equal((await published).key, dead.sent.at(-1).key);
  while (client.status !== "open") await settled();
  await settled();
  assert.equal(sockets.length, 2);
  assert.deepEqual(synced, [["staff:people"]]);

  // A message on the old core's socket is ignored, and closes the socket.
  dead.event(["staff:people"], { uuid: ID, n: 2 });
  assert.equal(dead.readyState, 3);
  socket().event(["staff:people"], { uuid: ID, n: 3 });
  assert.deepEqual(heard, [3]);
});

/** Subscribes to a topic that the server allows and to one that it refuses with this code, then lets the core fail. */
async function failWithRefused(t, code) {
  const { client, sabotage } = await open(t);
  server.answer = (socket, frame) => {
    if (frame.op !== "subscribe") return answer(socket, frame);
    const outcome = (topic) => ({
      topic,
      ...(topic.startsWith("x:") ? { outcome: "refused", code } : { outcome: "live" }),
    });
    const topics = frame.topics.map(outcome);
    socket.receive({ op: "subscribed", ref: frame.ref, position: "000000000abc.7.0000001f", topics });
  };
  const heard = [];
  const options = {
    onSync: ({ topics }) => heard.push(["sync", ...topics]),
    onError: ({ code, topic }) => heard.push([code, topic]),
  };
  const onEvent = ({ payload }) => heard.push(payload.n);
  const topics = ["staff:people", `x:${ID.toUpperCase()}`, `x:${ID}`];
  await client.subscribe(topics, onEvent, options).ready.catch(() => {});
  await settled();
  socket().event(["staff:people"], { uuid: ID, n: 1 });
  sabotage.next = true;
  socket().event(["staff:people"], { uuid: ID, n: 2 });
  while (client.status !== "open" || sockets.length < 2) await settled();
  await settled();
  socket().event(["staff:people"], { uuid: ID, n: 3 });
  return heard;
}

test("a subscription that lost a topic keeps the others through a core that fails", async (t) => {
  const heard = await failWithRefused(t, "forbidden");
  assert.deepEqual(heard, [["forbidden", `x:${ID}`], 1, ["sync", "staff:people"], 3]);
});

test("a subscription with a topic that waits for room gets a sync for its others after a core that fails", async (t) => {
  const heard = await failWithRefused(t, "overloaded");
  const waits = ["overloaded", `x:${ID}`];
  assert.deepEqual(heard, [waits, 1, waits, ["sync", "staff:people"], 3]);
});

test("a core that fails again and again ends the client", async (t) => {
  const { client, sabotage, errors } = await open(t);
  const subscription = client.subscribe("staff:people", () => {});
  await subscription.ready;
  sabotage.always = true;
  socket().event(["staff:people"], { uuid: ID });
  while (client.status !== "closed") await settled();
  const replaced = ["core_failed", true];
  assert.deepEqual(errors, [replaced, replaced, replaced, ["core_failed", false]]);
  assert.equal(client.lastError.message, "The core failed too often.");
  assert.ok(sockets.length <= 5, `${sockets.length}`);
});

test("a paused watch outlives a core that failed, and loads when it is resumed", async (t) => {
  const { client, sabotage } = await open(t);
  let loads = 0;
  const watch = client.watch("staff:people", { load: () => ++loads, onData: () => {} });
  await watch.ready;
  await settled();
  watch.pause();
  sabotage.next = true;
  socket().event(["staff:people"], { uuid: ID });
  while (sockets.length < 2 || client.status !== "open") await settled();
  await settled();
  assert.equal(loads, 1);
  watch.resume();
  assert.equal(loads, 2);
});
