// The call that gets a wrong topic, callback or option refuses it.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient, TidingsError } from "tidings";
import { crm, projects, staff } from "tidings/domains";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";
import { serve, skip } from "./serve.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const nothing = () => {};

function open(t, options = {}) {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", ...options });
  t.after(() => client.close());
  return client;
}

/** Values given as a topic, and the text of the error. */
const WRONG = [
  [undefined, /must be a string .* but is undefined/],
  [null, /but is null/],
  [7, /but is 7/],
  [{}, /but is \[object Object\]/],
  [nothing, /but is a function/],
  [[], /list of topics is empty/],
  [[undefined], /but is undefined/],
  [["staff:people", null], /but is null/],
  [[["staff:people"]], /but is \[object Array\]/],
  [`staff:person:${undefined}`, /`staff:person:undefined` was built with `undefined`/],
  [["staff:people", `orders:order:${null}`], /`orders:order:null` was built with `null`/],
  [`orders:${Number.NaN}:items`, /`orders:NaN:items` was built with `NaN`/],
  [`orders:order:${{}}`, /was built with `\[object Object\]`/],
  [`${undefined}:order`, /`undefined:order` was built with `undefined`/],
];

test("a call throws for a value that can't be a topic, and names the value", async (t) => {
  const client = open(t);
  const calls = {
    subscribe: (wrong) => client.subscribe(wrong, nothing),
    watch: (wrong) => client.watch(wrong, { load: nothing, onData: nothing }),
    events: (wrong) => client.events(wrong),
  };
  for (const [wrong, says] of WRONG) {
    for (const [name, call] of Object.entries(calls)) {
      assert.throws(
        () => call(wrong),
        (error) => {
          assert.ok(error instanceof TidingsError, `${name}: ${error}`);
          assert.equal(error.code, "invalid_topic");
          assert.match(error.message, says);
          return true;
        },
        name,
      );
    }
  }
  await settled();
  assert.equal(sockets.length, 0);
});

test("a topic with a word that only looks like a missing value is taken", async (t) => {
  const client = open(t);
  for (const fine of ["orders:nullable", "orders:undefined-behaviour:x", "orders:NaN2", "null-island:x"]) {
    await client.subscribe(fine, nothing).ready;
  }
});

test("a publish to a value that can't be a topic is rejected", async (t) => {
  const client = open(t);
  const event = { domain: "orders", event: "paid", payload: {} };
  for (const topics of [[undefined], [`orders:order:${undefined}`], "orders:order:7", 7, null]) {
    await assert.rejects(client.publish(event, { topics }), { code: "invalid_topic" });
  }
});

test("a topic builder refuses a missing value", () => {
  const { person } = staff.topics;
  for (const wrong of [undefined, null, "", "undefined", Number.NaN, {}]) {
    assert.throws(() => person(wrong), {
      name: "TypeError",
      message: /^`uuid` of staff:person:\{uuid\} is .*: build the topic when it is known\.$/,
    });
  }
  assert.throws(() => crm.topics.interactions(), /`uuid` of crm:contact:\{uuid\}:interactions is undefined/);
  assert.equal(person(ID), `staff:person:${ID}`);
});

test("a call throws for a `minInterval` that is no duration", (t) => {
  const client = open(t);
  for (const minInterval of ["250", -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const options = { load: nothing, onData: nothing, minInterval };
    assert.throws(
      () => client.watch("staff:people", options),
      /`minInterval` must be a number of milliseconds/,
    );
  }
});

test("createClient refuses `domains` that are none, and says what to write", async () => {
  const module = await import("tidings/domains");
  const other = { ...staff, fingerprint: "0123456789abcdef" };
  const list = 'must be a list such as [staff, "orders"], but is';
  const one = "must be a domain of a generated module or the name of a domain, but is";
  const missing =
    "is undefined: does the module export this name? A domain is a constant of a generated module";
  for (const [domains, says] of [
    [null, ` ${list} null`],
    [5, ` ${list} 5`],
    ["xy", ` ${list} xy`],
    [{}, ` ${list} [object Object]`],
    [new Set(["orders"]), ` ${list} [object Set]`],
    [staff, ` ${list} [object Object]`],
    [[5], `[0] ${one} 5`],
    [[null], `[0] ${one} null`],
    [[{ name: "staff" }], `[0] ${one} [object Object]`],
    [[() => staff], `[0] ${one} a function`],
    [["orders", undefined], `[1] ${missing}`],
    // biome-ignore lint/suspicious/noSparseArray: it is what is refused
    [["orders", , "x"], `[1] ${missing}`],
    [[staff, module], "[1] is a module: hand over its constant, import { catalogue }"],
    [
      [staff, projects, other],
      " has two versions of `staff`: generate its module again, and import it from one place",
    ],
    [Array.from({ length: 65 }, (_, index) => `d${index}`), " may name 64 domains, but names 65"],
  ]) {
    const message = `createClient({ domains }): \`domains\`${says}`;
    assert.throws(() => createClient({ domains }), { name: "TypeError", message });
  }
  const names = Array.from({ length: 64 }, (_, index) => `d${index}`);
  for (const domains of [undefined, [], ["orders"], [staff, "staff", { ...staff }], names])
    createClient({ domains });
});

test("a call throws for a `buffer` that is no whole number of events", (t) => {
  const client = open(t);
  for (const buffer of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "7", null])
    assert.throws(() => client.events("staff:people", { buffer }), {
      name: "TypeError",
      message: `events(topics, { buffer }): \`buffer\` must be a whole number, 1 or more, but is ${buffer}`,
    });
  client.events("staff:people", { buffer: 1 });
});

test("a listener whose options are refused is not added", async (t) => {
  const client = open(t);
  const heard = [];
  const listener = (status) => heard.push(status);
  for (const [options, message] of [
    [null, /^on\(type, listener, options\): `options` must be an object, but is null$/],
    [7, /`options` must be an object, but is a number$/],
    [{ signal: 5 }, /`signal` must be an AbortSignal, but is 5$/],
    [{ signal: null }, /`signal` must be an AbortSignal, but is null$/],
  ])
    assert.throws(() => client.on("status", listener, options), { name: "TypeError", message });
  await client.subscribe("staff:people", nothing).ready;
  assert.deepEqual(heard, []);
});

test("a publish with options that are no object is rejected, and does not throw", async (t) => {
  const client = open(t);
  const event = { domain: "orders", event: "paid", payload: {} };
  for (const [options, is] of [
    [null, "null"],
    ["x", "a string"],
    [7, "a number"],
  ])
    await assert.rejects(client.publish(event, options), {
      name: "TypeError",
      message: `publish(event, options): \`options\` must be an object, but is ${is}`,
    });
});

/** Collects the console's warnings until the test is over. */
function warnings(t) {
  const warned = mock.method(console, "warn", () => {});
  t.after(() => warned.mock.restore());
  return () => warned.mock.calls.map(({ arguments: [text] }) => text);
}

/** A server that knows the domain staff only. */
function knowsStaff(socket, frame) {
  if (frame.op !== "subscribe") return answer(socket, frame);
  const names = new Set(frame.topics.map((topic) => topic.split(":")[0]).filter((name) => name !== "staff"));
  const unknown_domains = [...names].map((domain) => ({
    domain,
    ...(domain === "staf" && { nearest: "staff" }),
  }));
  const topics = frame.topics.map((topic) => ({ topic, outcome: frame.since ? "resumed" : "live" }));
  socket.receive({
    op: "subscribed",
    ref: frame.ref,
    position: "000000000abc.7.0000001f",
    topics,
    unknown_domains,
  });
}

test("an unknown domain causes one warning, also over reconnects", async (t) => {
  const warned = warnings(t);
  const client = open(t);
  server.answer = knowsStaff;
  await client.subscribe(["staf:people", "staff:people"], nothing).ready;
  await client.subscribe("staf:teams", nothing).ready;
  socket().drop();
  while (sockets.length < 2 || client.status !== "open") await settled();
  await settled();
  assert.equal(warned().length, 1);
  assert.match(warned()[0], /knows the domain `staf`.* Did you mean `staff`\?.*domains: \["staf"\]/);
});

test("a domain that the client knows, or that `domains` names, causes no warning", async (t) => {
  const warned = warnings(t);
  const client = open(t, { domains: [projects, "orders", "invoices"] });
  server.answer = knowsStaff;
  await client.subscribe(["projects:all", "orders:1", "invoices:1", "staff:people"], nothing).ready;
  assert.deepEqual(warned(), []);
  await client.subscribe("ordres:1", nothing).ready;
  assert.match(
    warned()[0],
    /`ordres`.*`domains` names `projects`, `orders`, `invoices`\..*\[projects, "orders", "invoices", "ordres"\]/,
  );
});

test("the real server names a domain that it does not know", { skip }, async (t) => {
  const warned = warnings(t);
  const { url } = await serve(t);
  const client = createClient({ url: `${url}/v1/ws` });
  t.after(() => client.close());
  await client
    .subscribe(["staf:people", "staff:people", "crm:contact:x:interactions"], nothing, {
      onError: nothing,
    })
    .ready.catch(nothing);
  await client.subscribe("meant:x", nothing).ready;
  assert.equal(warned().length, 2);
  assert.match(warned()[0], /`staf`.*`staff`/);
  assert.match(warned()[1], /`meant`/);
});
