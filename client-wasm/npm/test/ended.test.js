// Callbacks that end, add or close something while the client asks its core for everything.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "tidings";
import { settled, socket, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const event = { domain: "staff", event: "person_updated", payload: { uuid: ID } };

function open(t) {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws" });
  t.after(() => client.close());
  return client;
}

test("a subscription that a callback ends meanwhile is not asked for", async (t) => {
  const client = open(t);
  const ended = new AbortController();
  const tearDown = () => {
    people.unsubscribe();
    projects.unsubscribe();
    ended.abort();
  };
  client.subscribe("a b", () => {}, { onError: tearDown });
  const people = client.subscribe("staff:people", () => {});
  const projects = client.watch("projects:all", { load() {}, onData() {} });
  await assert.rejects(client.publish(event, { signal: ended.signal }), { name: "AbortError" });
  await client.subscribe("staff:teams", () => {}).ready;
  await settled();
  const topics = socket().sent.flatMap((frame) => (frame.op === "subscribe" ? frame.topics : []));
  assert.deepEqual(topics, ["staff:teams"]);
  assert.deepEqual(
    socket().sent.filter(({ op }) => op === "publish"),
    [],
  );
});

test("a subscription that a callback adds meanwhile is asked for once", async (t) => {
  const client = open(t);
  const heard = [];
  const onError = () => {
    client.subscribe("staff:teams", (_, { topics }) => heard.push(topics));
  };
  client.subscribe("a b", () => {}, { onError });
  await client.subscribe("staff:people", () => {}).ready;
  socket().event(["staff:teams"], { uuid: ID });
  await settled();
  assert.deepEqual(heard, [["staff:teams"]]);
});

test("a publish of a closed client that nobody awaits is no unhandled rejection", async (t) => {
  const client = open(t);
  const unhandled = [];
  const hear = (reason) => unhandled.push(reason);
  process.on("unhandledRejection", hear);
  t.after(() => process.off("unhandledRejection", hear));
  client.close();
  client.publish(event);
  await settled();
  assert.deepEqual(unhandled, []);
  await assert.rejects(client.publish(event), { code: "closed" });
});
