import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient, TidingsError } from "tidings";
import { staff } from "tidings/domains";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const URL_ = "http://127.0.0.1:1/v1/ws";
const event = { domain: "staff", event: "person_updated", payload: { uuid: ID } };

/** A client that is closed when the test is over. */
function open(t, options = {}) {
  useFake(t);
  const client = createClient({ url: URL_, domains: [staff], ...options });
  t.after(() => client.close());
  const errors = [];
  client.on("error", (error) => errors.push(error));
  return { client, errors };
}

const code = (expected) => (error) => {
  assert.ok(error instanceof TidingsError, String(error));
  assert.equal(error.code, expected);
  return true;
};

test("a client does nothing until it is used", async (t) => {
  const { client } = open(t);
  await settled();
  assert.equal(client.status, "idle");
  assert.equal(sockets.length, 0);
});

test("a subscription becomes ready and gets its events with their meta", async (t) => {
  const { client } = open(t);
  const heard = [];
  const subscription = client.subscribe(staff.topics.people, (event, meta) => heard.push({ event, meta }));
  assert.deepEqual(subscription.topics, ["staff:people"]);
  await subscription.ready;
  assert.equal(client.status, "open");
  assert.equal(socket().url, "ws://127.0.0.1:1/v1/ws");
  assert.equal(socket().protocol, "tidings.v1.json");
  assert.match(socket().sent[0].client, /^tidings-js\/\d/);
  socket().event(["staff:people"], { uuid: ID, note: "kept" });
  assert.equal(heard.length, 1);
  assert.deepEqual(heard[0].event.payload, { uuid: ID, note: "kept" });
  const { key, ...meta } = heard[0].meta;
  assert.match(key, /^[0-9a-f-]{36}$/);
  assert.deepEqual(meta, {
    topics: ["staff:people"],
    position: "000000000abc.8.0000001f",
    at: 1,
    own: false,
    decoded: true,
  });
});

test("an event on several topics of a subscription is delivered once, and a second subscription to a topic costs no frame", async (t) => {
  const { client } = open(t);
  const heard = [];
  await client.subscribe(["staff:people", "staff:teams"], (_, meta) => heard.push(meta.topics)).ready;
  await client.subscribe("staff:people", (_, meta) => heard.push(meta.topics)).ready;
  socket().event(["staff:teams", "staff:people"], { uuid: ID });
  assert.deepEqual(heard, [["staff:teams", "staff:people"], ["staff:people"]]);
  assert.equal(socket().sent.filter(({ op }) => op === "subscribe").length, 1);
});

test("a subscription that comes and goes within one turn costs no frame", async (t) => {
  const { client } = open(t);
  const frames = () => socket().sent.map(({ op }) => op);
  client.subscribe("staff:people", () => {}).unsubscribe();
  const first = client.subscribe("staff:people", () => {});
  await first.ready;
  first.unsubscribe();
  const second = client.subscribe("staff:people", () => {});
  await second.ready;
  await settled();
  assert.deepEqual(frames(), ["hello", "subscribe"]);
  second.unsubscribe();
  await settled();
  assert.deepEqual(frames(), ["hello", "subscribe", "unsubscribe"]);
});

test("nothing is delivered after unsubscribe, a signal, or the end of `using`", async (t) => {
  const { client } = open(t);
  const heard = [];
  const abort = new AbortController();
  const one = client.subscribe("staff:people", () => heard.push(1));
  const two = client.subscribe("staff:people", () => heard.push(2), { signal: abort.signal });
  const three = client.subscribe("staff:people", () => heard.push(3));
  const four = client.subscribe("staff:people", () => heard.push(4));
  await four.ready;
  one.unsubscribe();
  one.unsubscribe();
  abort.abort();
  two.unsubscribe();
  three[Symbol.dispose]();
  socket().event(["staff:people"], { uuid: ID });
  assert.deepEqual(heard, [4]);
  four.unsubscribe();
  await settled();
  assert.deepEqual(socket().sent.at(-1).topics, ["staff:people"]);
  assert.equal(socket().sent.at(-1).op, "unsubscribe");
});

test("a subscription that ends before it is in force rejects `ready`, which nobody has to handle", async (t) => {
  const { client, errors } = open(t);
  const ended = client.subscribe("staff:people", () => {});
  ended.unsubscribe();
  await assert.rejects(ended.ready, code("ended"));
  const aborted = client.subscribe("staff:people", () => {}, { signal: AbortSignal.abort("enough") });
  await assert.rejects(aborted.ready, (reason) => reason === "enough");
  client.subscribe("staff:people", () => {}).unsubscribe();
  await settled();
  assert.deepEqual(errors, []);
});

test("a callback may unsubscribe, subscribe and close, and an error that it throws harms nobody", async (t) => {
  const { client } = open(t);
  const thrown = [];
  globalThis.reportError = (error) => thrown.push(error.message);
  t.after(() => delete globalThis.reportError);
  const heard = [];
  const first = client.subscribe("staff:people", () => {
    heard.push("first");
    first.unsubscribe();
    second.unsubscribe();
    client.subscribe("staff:people", () => heard.push("new"));
    throw new Error("of the user");
  });
  const second = client.subscribe("staff:people", () => heard.push("second"));
  client.subscribe("staff:people", () => heard.push("third"));
  await second.ready;
  socket().event(["staff:people"], { uuid: ID });
  assert.deepEqual(heard, ["first", "third"]);
  assert.deepEqual(thrown, ["of the user"]);
  client.subscribe("staff:people", () => client.close());
  socket().event(["staff:people"], { uuid: ID });
  assert.deepEqual(heard, ["first", "third", "third", "new"]);
  assert.equal(client.status, "closed");
  await settled();
  assert.equal(socket().readyState, 3);
  assert.equal(socket().onmessage, undefined);
});

test("an event whose name has a line break is read as any other", async (t) => {
  const { client } = open(t);
  const heard = [];
  await client.subscribe("staff:people", ({ event }, { decoded }) => heard.push([event, decoded])).ready;
  // The first line alone would be an event of staff, which needs a `uuid`.
  socket().event(["staff:people"], {}, { event: "person_updated\nx" });
  assert.deepEqual(heard, [["person_updated\nx", false]]);
});

test("an event with a time before 1970 cannot be read", async (t) => {
  const { client } = open(t);
  const [heard, errors] = [[], []];
  client.on("error", ({ code }) => errors.push(code));
  await client.subscribe("staff:people", (event) => heard.push(event)).ready;
  const event = { domain: "staff", event: "person_updated", payload: { uuid: ID } };
  const position = "000000000abc.8.0000001f";
  socket().receive({ op: "event", position, key: ID, at: -1, topics: ["staff:people"], event });
  assert.ok(errors.includes("invalid_frame"));
  assert.deepEqual(heard, []);
});

test("a malformed event is an error of its subscription, which goes on", async (t) => {
  const { client } = open(t);
  const [heard, errors] = [[], []];
  const onError = (error) => errors.push(error);
  await client.subscribe("staff:people", (event) => heard.push(event), { onError }).ready;
  socket().event(["staff:people"], { uuid: "not one" });
  socket().event(["staff:people"], { uuid: ID });
  assert.equal(heard.length, 1);
  assert.equal(errors.length, 1);
  code("invalid_event")(errors[0]);
  assert.equal(errors[0].topic, "staff:people");
  assert.match(
    errors[0].message,
    /^An event arrived that is not what its domain declares: payload of person_updated: /,
  );
});

test("a refused topic rejects `ready` and goes to onError, else to the client's listeners, else to the console", async (t) => {
  const { client, errors } = open(t);
  server.answer = (socket, frame) => {
    if (frame.op !== "subscribe") return answer(socket, frame);
    const topics = frame.topics.map((topic) => ({ topic, outcome: "refused", code: "forbidden" }));
    socket.receive({ op: "subscribed", ref: frame.ref, position: "p", topics });
  };
  const own = [];
  const onError = (error) => own.push(error.code);
  await assert.rejects(client.subscribe("staff:people", () => {}, { onError }).ready, code("forbidden"));
  assert.deepEqual(own, ["forbidden"]);
  await assert.rejects(client.subscribe("staff:people", () => {}).ready, (error) => {
    assert.equal(error.topic, "staff:people");
    assert.equal(error.retryable, false);
    assert.match(error.hint, /token/);
    return code("forbidden")(error);
  });
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["forbidden"],
  );
  await assert.rejects(client.subscribe("no topic", () => {}).ready, code("invalid_topic"));

  const printed = mock.method(console, "error", () => {});
  t.after(() => printed.mock.restore());
  const silent = createClient({ url: URL_ });
  await assert.rejects(silent.subscribe("no topic", () => {}).ready, code("invalid_topic"));
  silent.close();
  assert.equal(printed.mock.callCount(), 1);
});

test("a topic without room is an error, and is subscribed to when another leaves", async (t) => {
  const { client, errors } = open(t);
  server.answer = (socket, frame) => {
    if (frame.op !== "hello") return answer(socket, frame);
    const receive = (welcome) =>
      socket.receive({ ...welcome, limits: { ...welcome.limits, max_topics_per_session: 2 } });
    answer({ receive }, frame);
  };
  const rows = [1, 2].map((row) => client.subscribe(`rows:${row}`, () => {}));
  await Promise.all(rows.map((row) => row.ready));
  const [heard, told, synced, shown] = [[], [], [], []];
  const late = client.subscribe("rows:3", (_, meta) => heard.push(meta.topics), {
    onError: (error) => told.push(error),
    onSync: (sync) => synced.push(sync.topics),
  });
  const watched = client.watch("rows:3", { load: () => shown.length, onData: (data) => shown.push(data) });
  await assert.rejects(late.ready, code("too_many_topics"));
  await assert.rejects(watched.ready, code("too_many_topics"));
  for (const error of [...told, ...errors]) {
    assert.deepEqual([error.topic, error.retryable], ["rows:3", true]);
    assert.match(`${error.message} ${error.hint}`, /all 2 topics.*--max-topics-per-session.*Unsubscribe/);
  }
  assert.deepEqual([told.length, errors.length, synced.length], [1, 1, 0]);
  await settled();
  assert.deepEqual(shown, [0], "the view is shown, though nobody keeps it up to date");
  rows[0].unsubscribe();
  await settled();
  assert.deepEqual(synced, [["rows:3"]]);
  socket().event(["rows:3"], {}, { domain: "rows", event: "changed" });
  assert.deepEqual(heard, [["rows:3"]]);
  while (shown.length < 2) await settled();
});

test("a sync reaches onSync, or else onError as `sync_required`", async (t) => {
  const { client } = open(t);
  const heard = [];
  const onSync = (sync) => heard.push(sync);
  const onError = (error) => heard.push(error.code);
  await client.subscribe("staff:people", () => {}, { onSync }).ready;
  await client.subscribe("staff:people", () => {}, { onError }).ready;
  socket().receive({ op: "sync", position: "p", topics: ["staff:people"] });
  assert.deepEqual(heard, [{ topics: ["staff:people"], position: "p" }, "sync_required"]);
});

test("after a lost connection the client resumes, and sends waiting publishes with the same key", async (t) => {
  const { client } = open(t);
  const statuses = [];
  client.on("status", (status) => statuses.push(status));
  await client.subscribe("staff:people", () => {}).ready;
  server.answer = (socket, frame) => frame.op !== "publish" && answer(socket, frame);
  const published = client.publish(event);
  await settled();
  const { key } = socket().sent.at(-1);
  assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  server.answer = undefined;
  socket().drop();
  assert.equal((await published).key, key);
  assert.equal(sockets.length, 2);
  assert.equal(socket().sent[1].since, "000000000abc.7.0000001f");
  assert.deepEqual(statuses, ["connecting", "open", "reconnecting", "connecting", "open"]);
});

test("a publish is a snapshot, is checked before it is sent, and carries its options", async (t) => {
  const { client } = open(t);
  const changing = structuredClone(event);
  const published = client.publish(changing, { topics: ["a:b"], key: ID, origin: "me" });
  changing.payload.uuid = "changed";
  assert.deepEqual(await published, {
    key: ID,
    position: "000000000abc.9.0000001f",
    topics: ["staff:people"],
  });
  const { ref, ...frame } = socket().sent.at(-1);
  assert.deepEqual(frame, { op: "publish", event, topics: ["a:b"], key: ID, origin: "me" });
  assert.equal(typeof ref, "number");

  const refused = (wrong, options) => client.publish(wrong, options);
  const circular = { ...event };
  circular.payload = circular;
  await assert.rejects(refused(circular), code("invalid_event"));
  await assert.rejects(refused(undefined), code("invalid_event"));
  await assert.rejects(refused({ ...event, payload: { uuid: 7 } }), code("invalid_event"));
  await assert.rejects(refused(event, { key: "mine" }), code("invalid_event"));
  await assert.rejects(refused(event, { origin: "o".repeat(65) }), code("too_large"));
  await assert.rejects(
    refused({ ...event, payload: { uuid: ID, text: "ä".repeat(40_000) } }),
    code("too_large"),
  );
  assert.equal(socket().sent.at(-1).ref, ref);
});

test("a signal stops a publish that waits, and close() fails all that wait", async (t) => {
  const { client } = open(t);
  server.answer = () => {};
  const abort = new AbortController();
  const aborted = client.publish(event, { signal: abort.signal });
  const waiting = client.publish(event);
  await settled();
  abort.abort();
  await assert.rejects(aborted, { name: "AbortError" });
  await assert.rejects(client.publish(event, { signal: abort.signal }), { name: "AbortError" });
  client.close();
  client.close();
  await assert.rejects(waiting, code("closed"));
  await assert.rejects(client.publish(event), code("closed"));
  await assert.rejects(client.subscribe("staff:people", () => {}).ready, code("closed"));
  assert.equal(client.status, "closed");
});

test("no handler sees what another one changed in its event or meta", async (t) => {
  const { client } = open(t);
  const payload = () => JSON.parse(`{"uuid":"${ID}","list":[{"a":1},null,-0.5],"__proto__":{"b":2}}`);
  const spoil = (event, meta) => {
    delete event.payload.uuid;
    event.payload.list[0].a = "spoilt";
    event.payload.list.pop();
    event.domain = "spoilt";
    meta.topics.length = 0;
    meta.key = "spoilt";
  };
  const heard = [];
  const look = (event, meta) => {
    heard.push(structuredClone([event, meta.topics, meta.key === "spoilt"]));
    spoil(event, meta);
  };
  const loop = client.events("staff:people");
  const next = loop.next();
  for (let n = 0; n < 3; n++) client.subscribe("staff:people", look);
  const concerns = (event, meta) => {
    look(event, meta);
    return false;
  };
  const load = () => 1;
  await client.watch("staff:people", { load, onData: () => {}, concerns }).ready;
  await client.watch("staff:people", { load, onData: () => {} }).ready;
  socket().event(["staff:people"], payload());
  const event = { domain: "staff", event: "person_updated", payload: payload() };
  assert.deepEqual(heard, Array(4).fill([event, ["staff:people"], false]));
  assert.deepEqual((await next).value.event, event);
  assert.ok(Object.hasOwn(heard[0][0].payload, "__proto__"));
});

test("a publish that nobody awaits causes no unhandled rejection at close()", async (t) => {
  const { client } = open(t);
  const unhandled = [];
  const hear = (reason) => unhandled.push(reason);
  process.on("unhandledRejection", hear);
  t.after(() => process.off("unhandledRejection", hear));
  server.answer = () => {};
  client.publish(event);
  await settled();
  client.publish(event);
  const awaited = client.publish(event);
  client.close();
  await settled();
  assert.deepEqual(unhandled, []);
  await assert.rejects(awaited, code("closed"));
});

test("the number of waiting publishes is bounded, before the core is loaded and after", async (t) => {
  const { client } = open(t);
  server.answer = () => {};
  const waiting = Array.from({ length: 256 }, () => client.publish(event));
  for (const publish of waiting) publish.catch(() => {});
  await assert.rejects(client.publish(event), code("offline_full"));
  await settled();
  await assert.rejects(client.publish(event), code("offline_full"));
});

test("the token callback is called for each connection", async (t) => {
  let calls = 0;
  const { client } = open(t, { token: async () => `token ${++calls}` });
  await client.subscribe("staff:people", () => {}).ready;
  assert.equal(socket().sent[0].token, "token 1");
  socket().drop(4401);
  while (sockets.length < 2 || client.status !== "open") await settled();
  assert.equal(socket().sent[0].token, "token 2");
});

test("a fatal close ends everything with the server's reason", async (t) => {
  const { client, errors } = open(t);
  const own = [];
  await client.subscribe("staff:people", () => {}, { onError: (error) => own.push(error.code) }).ready;
  await client.subscribe("staff:people", () => {}).ready;
  server.answer = () => {};
  const publish = client.publish(event);
  publish.catch(() => {});
  await settled();
  socket().receive({ op: "error", code: "forbidden", message: "Revoked." });
  socket().drop(4403);
  await assert.rejects(publish, code("forbidden"));
  assert.deepEqual(own, ["forbidden"]);
  assert.equal(client.status, "closed");
  assert.deepEqual(
    errors.map(({ message }) => message),
    ["Revoked."],
  );
  await settled();
  assert.equal(sockets.length, 1);
});

test("a listener is removed by its signal and by the function that `on` returns", async (t) => {
  const { client } = open(t);
  const heard = [];
  const abort = new AbortController();
  client.on("status", () => heard.push("signal"), { signal: abort.signal });
  client.on("status", () => heard.push("aborted"), { signal: AbortSignal.abort() });
  const off = client.on("status", () => heard.push("off"));
  off();
  off();
  abort.abort();
  await client.subscribe("staff:people", () => {}).ready;
  assert.deepEqual(heard, []);
});

test("a missing WebSocket and a wrong url are errors that say so", async (t) => {
  const { client } = open(t);
  delete globalThis.WebSocket;
  await assert.rejects(client.subscribe("staff:people", () => {}).ready, code("websocket_unavailable"));
  assert.equal(client.status, "closed");
  useFake(t);
  for (const url of ["/v1/ws", "ftp://example.com/", "::"]) {
    const lost = createClient({ url });
    lost.on("error", () => {});
    await assert.rejects(lost.publish(event), code("invalid_url"));
  }
});

test("a policy that forbids WebAssembly is one error that says so", async (t) => {
  const { client, errors } = open(t);
  const compile = mock.method(WebAssembly, "compile", () => {
    throw new WebAssembly.CompileError("violates the Content Security Policy directive");
  });
  t.after(() => compile.mock.restore());
  await assert.rejects(client.subscribe("staff:people", () => {}).ready, (error) => {
    assert.match(error.hint, /wasm-unsafe-eval/);
    return code("wasm_unavailable")(error);
  });
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["wasm_unavailable"],
  );
});

test("creating a client uses nothing of its environment, not even random numbers", (t) => {
  // Cloudflare's workers refuse random numbers while a module is loaded.
  const real = crypto.getRandomValues;
  t.after(() => {
    crypto.getRandomValues = real;
  });
  crypto.getRandomValues = () => {
    throw new Error("Disallowed operation called within global scope");
  };
  createClient();
});
