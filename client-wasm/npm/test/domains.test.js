// Domains as data: the core checks events by them.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient } from "tidings";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";

/** A domain with one event. */
const domain = (fields, rest = {}) => ({
  name: "helpdesk",
  fingerprint: "0123456789abcdef",
  topics: {},
  events: [[["opened"], fields]],
  ...rest,
});

function open(t, domains) {
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains });
  t.after(() => client.close());
  return client;
}

test("a domain that is not what the generator writes closes the client with an error that names the place", async (t) => {
  const remedy = "Generate its file again, with the version of the npm package.";
  for (const [wrong, what] of [
    [
      domain([["uuid", "uid"]]),
      '`events[0][1][0][1]`: expected a type such as "uuid" or ["segment",64], found "uid"',
    ],
    [domain([["tags", ["list", ["segment"]]]]), "`events[0][1][0][1][1]`: expected a type"],
    [domain([["uuid"]]), '`events[0][1][0]`: expected a name and a type, found ["uuid"]'],
    [domain([], { events: [["opened", []]] }), '`events[0][0]`: expected a list of names, found "opened"'],
    [domain([], { name: "help desk" }), "the domain `help desk`: expected a domain"],
    [domain([], { fingerprint: "" }), "expected a fingerprint"],
  ]) {
    const client = open(t, ["orders", wrong]);
    const errors = [];
    client.on("error", (error) => errors.push(error));
    const error = await client.subscribe("helpdesk:all", () => {}).ready.catch((error) => error);
    assert.equal(error.code, "invalid_domain");
    assert.equal(error.retryable, false);
    assert.ok(error.message.includes(what) && error.message.endsWith(remedy), error.message);
    assert.equal(client.status, "closed");
    assert.equal(errors.length, 1);
    const [early, ...others] = sockets.splice(0);
    assert.deepEqual([early.readyState, early.sent, others], [3, [], []], "it says nothing to the server");
  }
});

test("the hello names the domains that the core checks, and the console tells once which differ", async (t) => {
  const info = mock.method(console, "info", () => {});
  t.after(() => info.mock.restore());
  const client = open(t, [
    domain([]),
    "orders",
    domain([], { name: "chat", fingerprint: "00000000000000aa" }),
  ]);
  server.answer = (socket, frame) => {
    const receive = (welcome) => socket.receive({ ...welcome, domains: ["helpdesk", "orders"] });
    if (frame.op === "hello") answer({ receive }, frame);
    else answer(socket, frame);
  };
  await client.subscribe("helpdesk:all", () => {}).ready;
  const [hello] = socket().sent;
  assert.deepEqual(hello.domains, { helpdesk: "0123456789abcdef", chat: "00000000000000aa" });
  const first = socket();
  first.drop();
  while (socket() === first || client.status !== "open") await settled();
  const told = info.mock.calls.map(({ arguments: [text] }) => text);
  assert.equal(told.length, 1, told);
  assert.match(told[0], /another form of the domain `helpdesk`\. Generate its TypeScript again/);
});

test("a field whose name every object inherits is missing unless the payload has it", async (t) => {
  const names = ["toString", "constructor", "__proto__", "valueOf"];
  const client = open(t, [domain(names.map((name) => [name, "any"]).concat([["uuid", "uuid"]]))]);
  const publish = (payload) => {
    const abort = new AbortController();
    const published = client.publish(
      { domain: "helpdesk", event: "opened", payload },
      { signal: abort.signal },
    );
    published.catch(() => {});
    abort.abort(new Error("it would have left"));
    return published;
  };
  await client.subscribe("helpdesk:all", () => {}).ready;
  const whole = JSON.parse(`{${names.map((name) => `"${name}":1`)},"uuid":"${ID}"}`);
  await assert.rejects(publish(whole), /it would have left/);
  for (const name of names) {
    const { [name]: _, ...rest } = whole;
    await assert.rejects(publish(rest), {
      message: `payload of opened: \`${name}\` is missing: expected a value`,
    });
  }
});
