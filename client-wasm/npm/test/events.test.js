import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { settled, socket, sockets, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";

function open(t) {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  client.on("error", () => {});
  t.after(() => client.close());
  return client;
}

/** Collects the events of a loop, and its end. */
async function collect(events, numbers = []) {
  try {
    for await (const { event, meta } of events) {
      assert.equal(meta.decoded, true);
      numbers.push(event.payload.n);
      await settled();
    }
    return { numbers, end: "done" };
  } catch (error) {
    return { numbers, end: error.code ?? error };
  }
}

/** Waits until a loop has begun. */
async function begun(loop) {
  while (socket()?.sent.at(-1)?.op !== "subscribe") await settled();
  await settled();
  return { loop };
}

const send = (n, uuid = ID) => socket().event(["staff:people"], { uuid, n });

test("events are iterated in order, also those that arrive while the loop is busy", async (t) => {
  const client = open(t);
  const abort = new AbortController();
  const numbers = [];
  const { loop } = await begun(collect(client.events("staff:people", { signal: abort.signal }), numbers));
  for (const n of [1, 2, 3]) send(n);
  while (numbers.length < 3) await settled();
  abort.abort();
  assert.deepEqual(await loop, { numbers: [1, 2, 3], end: "done" });
});

test("an iteration that has not begun subscribes to nothing, and one that is left unsubscribes", async (t) => {
  const client = open(t);
  const events = client.events("staff:people");
  await settled();
  assert.equal(sockets.length, 0);
  const next = events.next();
  await begun();
  send(1);
  assert.equal((await next).value.event.payload.n, 1);
  await events.return();
  await settled();
  assert.equal(socket().sent.at(-1).op, "unsubscribe");
  assert.deepEqual(await events.next(), { done: true, value: undefined });
});

test("close() ends an iteration", async (t) => {
  const client = open(t);
  const { loop } = await begun(collect(client.events("staff:people")));
  client.close();
  assert.deepEqual(await loop, { numbers: [], end: "done" });
});

test("a sync ends an iteration with an error, after the events before it", async (t) => {
  const client = open(t);
  const { loop } = await begun(collect(client.events("staff:people")));
  send(1);
  send(2);
  socket().receive({ op: "sync", position: "p", topics: ["staff:people"] });
  assert.deepEqual(await loop, { numbers: [1, 2], end: "sync_required" });
});

test("with onSync an iteration goes on, also when its buffer overflows", async (t) => {
  const client = open(t);
  const synced = [];
  const options = { onSync: ({ topics }) => synced.push(topics), buffer: 2 };
  const { loop } = await begun(collect(client.events("staff:people", options)));
  socket().receive({ op: "sync", position: "p", topics: ["staff:people"] });
  assert.equal(synced.length, 1);
  for (const n of [1, 2, 3, 4, 5]) send(n);
  assert.deepEqual(synced[1], ["staff:people"]);
  await settled();
  client.close();
  const { numbers, end } = await loop;
  assert.equal(numbers[0], 1);
  assert.ok(numbers.length <= 3, `${numbers}`);
  assert.equal(end, "done");
});

test("a malformed event and a refused topic end an iteration with their error", async (t) => {
  const client = open(t);
  const { loop } = await begun(collect(client.events("staff:people")));
  send(1, "not one");
  assert.equal((await loop).end, "invalid_event");
  assert.equal((await collect(client.events("no topic"))).end, "invalid_topic");
});
