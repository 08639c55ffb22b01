// The repository's golden vectors, read as a browser reads them. A packed package does not have them.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient, TidingsError } from "tidings";
import { catalogue, crm, projects, staff, store } from "tidings/domains";
import { settled, socket, useFake } from "./fake.js";

const folder = fileURLToPath(new URL("../../../tests/vectors/", import.meta.url));
const cases = (file, list) => JSON.parse(readFileSync(`${folder}${file}.json`, "utf8"))[list];
const options = { skip: existsSync(folder) ? false : "the vectors are in the repository only" };

async function open(t, topic) {
  useFake(t);
  const client = createClient({
    url: "http://127.0.0.1:1/v1/ws",
    domains: [catalogue, crm, projects, staff, store],
  });
  const [events, errors] = [[], []];
  client.on("error", (error) => errors.push(error));
  t.after(() => client.close());
  const onError = (error) => errors.push(error);
  const handler = (event, meta) => events.push({ event, meta });
  await client.subscribe(topic, handler, { onError, onSync: () => {} }).ready;
  return { client, events, errors };
}

test("every valid frame is taken, and every other one is an error", options, async (t) => {
  const { errors } = await open(t, "staff:people");
  for (const { name, text } of [...cases("server-frames", "good"), ...cases("server-frames", "unknown")]) {
    const before = errors.length;
    socket().receive(text);
    const told = errors.slice(before).filter(({ code }) => code === "invalid_frame" && !text.includes(code));
    assert.deepEqual(told, [], name);
  }
  for (const { name, text } of cases("server-frames", "bad")) {
    const before = errors.length;
    socket().receive(text);
    assert.equal(errors[before]?.code, "invalid_frame", name);
  }
});

test("every event arrives as it was published and checked against its type", options, async (t) => {
  const { events, errors } = await open(t, "staff:people");
  for (const { name, event } of cases("events", "good")) {
    socket().event(["staff:people"], event.payload, event);
    const heard = events.pop();
    assert.deepEqual(heard?.event, event, `${name}: ${errors}`);
    const isKnown = ["catalogue", "staff", "projects", "crm", "store"].includes(event.domain);
    assert.equal(heard.meta.decoded, isKnown, name);
  }
});

test("a malformed event is refused by publish, and is an error when it arrives", options, async (t) => {
  const { client, events, errors } = await open(t, "staff:people");
  const malformed = cases("events", "refused").filter(({ malformed }) => malformed);
  assert.ok(malformed.length > 0);
  for (const { name, event } of malformed) {
    await assert.rejects(client.publish(event), (error) => {
      assert.ok(error instanceof TidingsError && error.code === "invalid_event", `${name}: ${error}`);
      return true;
    });
    socket().event(["staff:people"], event.payload, event);
    assert.equal(errors.pop()?.code, "invalid_event", name);
  }
  assert.deepEqual(events, []);
});

test(
  "every topic is asked for by its one spelling, and what is none is refused at home",
  options,
  async (t) => {
    const { client } = await open(t, "staff:people");
    for (const { name, text, topic } of cases("topics", "good")) {
      const subscription = client.subscribe(text, () => {});
      await subscription.ready;
      if (topic !== "staff:people") assert.deepEqual(socket().sent.at(-1).topics, [topic], name);
      subscription.unsubscribe();
      await settled();
    }
    for (const { name, text } of cases("topics", "bad").filter(({ rule }) => rule !== "not_of_domain")) {
      const { ready } = client.subscribe(text, () => {}, { onError: () => {} });
      await assert.rejects(ready, { code: "invalid_topic" }, name);
    }
  },
);

test("the codes are those of the table in Rust", options, () => {
  const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
  const rust = [...read("../../../shared/src/code.rs").matchAll(/^ {4}\w+ +"(\w+)" +retry/gm)].map(
    ([, code]) => code,
  );
  const union = read("../src/errors.ts").match(/type ServerCode =([^;]+);/)[1];
  assert.ok(rust.length > 10);
  assert.deepEqual(
    [...union.matchAll(/"(\w+)"/g)].map(([, code]) => code),
    rust,
  );
});
