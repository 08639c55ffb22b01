// The hub of `tidings/testing`, with real clients.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { TidingsError } from "tidings";
import { createTestHub } from "tidings/testing";
import { changed, createHub, ID, PEOPLE, subscribed, until } from "./hub.js";

test("an event reaches the subscribers of its topics, checked and with its meta", async () => {
  const hub = createHub();
  const { heard } = await subscribed(hub);
  assert.deepEqual(hub.subscriptions, [PEOPLE]);
  const answer = hub.emit([PEOPLE, `staff:person:${ID.toUpperCase()}`], changed, { origin: "a tab" });
  hub.emit("staff:teams", { domain: "staff", event: "team_created", payload: { uuid: ID } });
  assert.deepEqual(heard, [], "nothing arrives before the test waits");
  await hub.settled();
  assert.equal(heard.length, 1);
  const { event, meta } = heard[0];
  assert.deepEqual(event, changed);
  const { position, key, topics } = answer;
  assert.deepEqual(topics, [PEOPLE, `staff:person:${ID}`]);
  const { at, ...rest } = meta;
  assert.ok(Math.abs(at - Date.now()) < 5_000);
  assert.deepEqual(rest, { topics: [PEOPLE], position, key, origin: "a tab", own: false, decoded: true });
});

test("an event that is not what its domain declares is an error of the subscription", async () => {
  const hub = createHub();
  const { heard } = await subscribed(hub);
  hub.emit(PEOPLE, { ...changed, payload: { uuid: "none" } });
  await hub.settled();
  assert.deepEqual(heard, [{ code: "invalid_event" }]);
});

test("the client checks the events of a domain of one's own, which the hub does not know", async () => {
  const shop = {
    name: "shop",
    fingerprint: "0123456789abcdef",
    topics: { orders: "shop:orders" },
    events: [[["paid"], [["total", ["integer", 0, 1000]]]]],
  };
  const hub = createHub();
  const client = hub.createClient({ domains: [shop] });
  const heard = [];
  const onError = ({ code, message }) => heard.push(code, message);
  client.subscribe(shop.topics.orders, (_, meta) => heard.push(meta.decoded), { onError });
  await hub.settled();
  assert.deepEqual(hub.frames[0].domains, { shop: shop.fingerprint });
  hub.emit(shop.topics.orders, { domain: "shop", event: "paid", payload: { total: 7 } });
  hub.emit(shop.topics.orders, { domain: "shop", event: "paid", payload: { total: 1001 } });
  await hub.settled();
  assert.deepEqual(heard.slice(0, 2), [true, "invalid_event"]);
  assert.match(heard[2], /`total`/);
});

test("a topic that is none is refused at once, by each call that names topics", () => {
  const hub = createHub();
  for (const call of [() => hub.emit("no topic", changed), () => hub.sync(["a:"]), () => hub.refuse("")])
    assert.throws(call, TypeError);
});

test("an event that no backend can publish is refused at once", () => {
  const hub = createHub();
  for (const wrong of [
    { payload: undefined },
    { payload: { total: Number.NaN } },
    { event: "two words" },
    { domain: "" },
  ])
    assert.throws(() => hub.emit(PEOPLE, { ...changed, ...wrong }), /^TypeError: emit: /);
});

test("a hub that is closed makes no client, because it would never connect", () => {
  const hub = createHub();
  hub.close();
  assert.throws(() => hub.createClient(), /The test hub is closed\. Create a hub for each test\./);
});

test("the hub keeps a copy of an event", async () => {
  const hub = createHub();
  const { heard } = await subscribed(hub);
  const event = structuredClone(changed);
  hub.emit(PEOPLE, event);
  event.payload.uuid = "changed since";
  await hub.settled();
  assert.deepEqual(heard[0].event, changed);
});

test("a publish is answered, recorded and delivered to the other clients, with its origin", async () => {
  const hub = createHub({ topicsOf: ({ payload }) => [PEOPLE, `staff:person:${payload.uuid}`] });
  const [one, other] = [await subscribed(hub), await subscribed(hub)];
  const published = await one.client.publish(changed);
  await hub.settled();
  assert.deepEqual(published.topics, [PEOPLE, `staff:person:${ID}`]);
  assert.deepEqual(
    [one, other].map(({ heard }) => heard.map(({ meta }) => [meta.key, meta.own])),
    [[[published.key, true]], [[published.key, false]]],
  );
  const [record] = hub.published;
  assert.deepEqual(record, {
    event: changed,
    topics: published.topics,
    key: published.key,
    origin: record.origin,
  });
  assert.equal(record.origin, one.heard[0].meta.origin);
  const again = await one.client.publish(changed, { key: published.key });
  assert.deepEqual([again, hub.published.length], [published, 1]);
});

test("a publish whose topics nobody says is refused, with the remedy", async () => {
  const hub = createHub();
  await assert.rejects(hub.createClient().publish(changed), (error) => {
    assert.ok(error instanceof TidingsError);
    assert.equal(error.code, "invalid_event");
    assert.match(
      error.message,
      /which topics staff's person_updated reaches.*createTestHub\(\{ topicsOf \}\)/,
    );
    return true;
  });
  const failing = createHub({ topicsOf: ({ payload }) => payload.missing.length });
  await assert.rejects(failing.createClient().publish(changed), /topicsOf failed: TypeError/);
});

test("what a client begins and ends on an open connection is in force once the hub has settled", async () => {
  const hub = createHub();
  const { client } = await subscribed(hub);
  const teams = client.subscribe("staff:teams", () => {});
  await hub.settled();
  assert.deepEqual(hub.subscriptions, [PEOPLE, "staff:teams"]);
  teams.unsubscribe();
  await hub.settled();
  assert.deepEqual(hub.subscriptions, [PEOPLE]);
});

test("a watch loads again after an event at once, unless it or the hub names a pause", async () => {
  for (const [hub, minInterval, loads] of [
    [createHub(), undefined, 2],
    [createHub(), 60_000, 1],
    [createHub({ minInterval: 60_000 }), undefined, 1],
  ]) {
    const shown = [];
    const load = mock.fn(() => "data");
    hub.createClient().watch(PEOPLE, { load, onData: (data) => shown.push(data), minInterval });
    await hub.settled();
    hub.emit(PEOPLE, changed);
    await hub.settled();
    assert.deepEqual([load.mock.callCount(), shown.length], [loads, loads]);
  }
});

/** Lets each wait before an attempt to connect be as long as it can be. So a slow machine still sees the client wait. */
const waitLong = (t) => t.mock.method(Math, "random", () => 0.999);

test("a client that was cut off comes back by itself and gets what it missed, in order", async (t) => {
  waitLong(t);
  const hub = createHub();
  const { heard } = await subscribed(hub);
  hub.drop();
  const keys = [hub.emit(PEOPLE, changed).key, hub.emit(PEOPLE, changed).key];
  await hub.settled();
  assert.deepEqual(heard.splice(0), ["reconnecting"]);
  assert.deepEqual([hub.connections, hub.subscriptions], [0, []]);
  await until(() => heard.length > 4);
  assert.deepEqual(
    heard.map((what) => what.meta?.key ?? what),
    ["connecting", "open", "resumed", ...keys],
  );
});

test("what is on its way to a client that is cut off comes later, and once", async () => {
  const hub = createHub();
  const { heard } = await subscribed(hub);
  const { key } = hub.emit(PEOPLE, changed);
  hub.drop();
  await until(() => heard.length >= 5);
  await hub.settled();
  assert.deepEqual(
    heard.map((what) => what.meta?.key ?? what),
    ["reconnecting", "connecting", "open", "resumed", key],
  );
});

test("ten cuts in a row cost no growing wait", async (t) => {
  waitLong(t);
  const hub = createHub();
  const { client } = await subscribed(hub);
  const begun = performance.now();
  for (let cuts = 0; cuts < 10; cuts++) {
    hub.drop();
    await hub.settled();
    assert.equal(client.status, "reconnecting");
    await until(() => client.status === "open");
  }
  // Waits that double would take minutes.
  assert.ok(performance.now() - begun < 20_000, "each wait is 250 ms at most");
});

test("a hub that is stopped takes no connection until it is started", async () => {
  const hub = createHub();
  const { client, heard } = await subscribed(hub);
  hub.stop();
  await hub.settled();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.notEqual(client.status, "open");
  assert.equal(hub.connections, 0);
  const { key } = hub.emit(PEOPLE, changed);
  hub.start();
  await until(() => heard.at(-1)?.meta?.key === key);
  assert.equal(client.status, "open");
});

test("after a restart the client comes back and is told to load again", async () => {
  const hub = createHub();
  const { heard } = await subscribed(hub);
  hub.emit(PEOPLE, changed);
  await hub.settled();
  heard.length = 0;
  hub.restart();
  // The new log has as many entries as the old one had.
  hub.emit(PEOPLE, changed);
  await until(() => heard.length >= 4);
  await hub.settled();
  assert.deepEqual(heard, ["reconnecting", "connecting", "open", { sync: [PEOPLE] }]);
});

test("a sync reaches its topics, or all; also a client that was away", async () => {
  const hub = createHub();
  const { heard } = await subscribed(hub, [PEOPLE, "staff:teams"]);
  hub.sync("staff:teams");
  hub.sync("staff:departments");
  hub.sync();
  await hub.settled();
  assert.deepEqual(heard.splice(0), [{ sync: ["staff:teams"] }, { sync: [PEOPLE, "staff:teams"] }]);
  hub.drop();
  hub.sync(PEOPLE);
  await until(() => heard.length >= 5);
  assert.deepEqual(heard, ["reconnecting", "connecting", "open", "resumed", { sync: [PEOPLE] }]);
});

test("a refused topic is taken away at once, and can be had again after `allow`", async () => {
  const hub = createHub();
  const { client, heard } = await subscribed(hub, [PEOPLE, "staff:teams"]);
  hub.refuse(PEOPLE);
  await hub.settled();
  assert.deepEqual(heard, [{ code: "forbidden" }]);
  assert.deepEqual(hub.subscriptions, ["staff:teams"]);
  const refused = client.subscribe(PEOPLE, () => {}, { onError: () => {} });
  await assert.rejects(refused.ready, { code: "forbidden", topic: PEOPLE });
  await assert.rejects(client.publish(changed, { topics: [PEOPLE] }), { code: "forbidden" });
  hub.allow();
  await client.subscribe(PEOPLE, () => {}).ready;
  hub.refuse("staff:departments", "overloaded");
  const full = client.subscribe("staff:departments", () => {}, { onError: () => {} });
  await assert.rejects(full.ready, { code: "overloaded", retryable: true });
});

test("the hub gets the client's tokens, and closes a client whose tokens it refuses", async () => {
  const hub = createHub();
  const client = hub.createClient({ token: () => "a token" });
  client.on("error", () => {});
  await client.subscribe(PEOPLE, () => {}).ready;
  assert.equal(hub.frames[0].token, "a token");
  hub.refuseTokens();
  await hub.settled();
  assert.equal(client.status, "open");
  hub.drop();
  await until(() => client.status === "closed");
  assert.equal(client.lastError.code, "unauthorized");
  hub.refuseTokens("token_not_yet_valid");
  const early = hub.createClient({ token: "of tomorrow" });
  const told = new Promise((resolve) => early.on("error", resolve));
  const { ready } = early.subscribe(PEOPLE, () => {});
  assert.equal((await told).code, "token_not_yet_valid");
  hub.allow();
  await ready;
});

test("a token that ends is replaced in the open session", async () => {
  const hub = createHub({ tokenLife: 1_600 });
  const statuses = [];
  let tokens = 0;
  const client = hub.createClient({ token: () => `token ${++tokens}` });
  client.on("status", (status) => statuses.push(status));
  client.subscribe(PEOPLE, () => {});
  await until(() => hub.frames.filter(({ op }) => op === "token").length === 2);
  assert.deepEqual(statuses, ["connecting", "open"]);
});

test("lag delays answers and events, and keeps their order", async () => {
  const hub = createHub();
  const { client, heard } = await subscribed(hub);
  // Long, because nothing may arrive before the second look, even on a busy machine.
  const lag = 1_000;
  hub.lag(lag);
  const begun = performance.now();
  const published = client.publish(changed, { topics: ["other:1"] });
  const late = hub.emit(PEOPLE, changed);
  await hub.settled();
  hub.lag(0);
  const soon = hub.emit(PEOPLE, changed);
  await hub.settled();
  assert.deepEqual(heard, []);
  await published;
  assert.ok(performance.now() - begun >= lag - 5);
  await until(() => heard.length === 2);
  assert.deepEqual(
    heard.map(({ meta }) => meta.key),
    [late.key, soon.key],
  );
});

test("fake microtasks, as Jest has them, stop nothing", async (t) => {
  t.mock.method(globalThis, "queueMicrotask", () => {});
  const hub = createHub();
  const { heard } = await subscribed(hub);
  hub.emit(PEOPLE, changed);
  await hub.settled();
  assert.equal(heard.length, 1);
});

test("a client that tries again and again without a wait does not stop the process", async (t) => {
  t.mock.method(Math, "random", () => 0);
  const hub = createHub();
  const { client } = await subscribed(hub);
  client.on("error", () => {});
  hub.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  hub.start();
  await until(() => client.status === "open");
  hub.refuseTokens("token_not_yet_valid");
  hub.drop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  hub.allow();
  await until(() => client.status === "open");
});

test("a hub whose frames go to and fro without end says so", async () => {
  const hub = createHub();
  const client = hub.createClient();
  client.subscribe("echo:1", (event) => hub.emit("echo:1", event));
  await hub.settled();
  hub.emit("echo:1", { domain: "echo", event: "said", payload: {} });
  await assert.rejects(hub.settled(), /does not settle/);
});

test("a client for which too much is on its way is cut off, as by a server", async (t) => {
  waitLong(t);
  const hub = createHub();
  const { heard } = await subscribed(hub);
  hub.lag(60_000);
  for (let events = 0; events <= 10_000; events++) hub.emit(PEOPLE, changed);
  await hub.settled();
  assert.deepEqual(heard.splice(0), ["reconnecting"]);
  hub.lag(0);
  await until(() => heard.length >= 3);
  assert.deepEqual(heard, ["connecting", "open", { sync: [PEOPLE] }]);
});

test("the hub keeps the last 1,000 frames", async () => {
  const hub = createHub();
  const socket = new hub.WebSocket("ws://example.com/v1/ws");
  await hub.settled();
  socket.send('{"op":"hello"}');
  for (let ref = 1; ref <= 1_001; ref++) socket.send(JSON.stringify({ op: "ping", ref }));
  await hub.settled();
  assert.deepEqual([hub.frames.length, hub.frames[0].ref, hub.frames.at(-1).ref], [1_000, 2, 1_001]);
});

test("two runs of a test see the same positions and keys", async () => {
  const run = async () => {
    const hub = createHub();
    const { heard } = await subscribed(hub);
    hub.emit(PEOPLE, changed);
    hub.sync();
    hub.emit(PEOPLE, changed);
    await hub.settled();
    return heard.map(({ meta, sync }) => (meta ? [meta.position, meta.key] : sync));
  };
  assert.deepEqual(await run(), await run());
});

test("a client of the page's own code comes to the hub through its WebSocket", async (t) => {
  const hub = createHub();
  const real = globalThis.WebSocket;
  globalThis.WebSocket = hub.WebSocket;
  t.after(() => {
    globalThis.WebSocket = real;
  });
  const { createClient } = await import("tidings");
  const client = createClient({ url: "wss://example.com/v1/ws" });
  t.after(() => client.close());
  const heard = [];
  await client.subscribe(PEOPLE, ({ event }) => heard.push(event)).ready;
  hub.emit(PEOPLE, changed);
  await hub.settled();
  assert.deepEqual(heard, ["person_updated"]);
});

test("`close` closes the clients, and a hub can be used with `using`", async () => {
  const hub = createTestHub();
  const { client } = await subscribed(hub);
  hub[Symbol.dispose ?? Symbol.for("dispose")]?.();
  hub.close();
  assert.deepEqual([client.status, hub.connections], ["closed", 0]);
});

test("a thousand subscriptions come back from a cut by few frames, and miss nothing", async () => {
  const hub = createHub();
  const client = hub.createClient({ domains: ["rows"] });
  const heard = [];
  for (let row = 0; row < 1_000; row++)
    client.subscribe(`rows:${row}`, (_, meta) => heard.push(...meta.topics));
  await hub.settled();
  assert.equal(hub.subscriptions.length, 1_000);
  const before = hub.frames.length;
  hub.drop();
  const missed = ["rows:3", "rows:500", "rows:999"];
  for (const topic of missed) hub.emit(topic, { domain: "rows", event: "changed", payload: {} });
  await until(() => heard.length === 3);
  assert.deepEqual(heard, missed);
  assert.ok(hub.frames.length - before <= 10, "a hello and eight frames of 128 topics");
});

test("an older position than the log holds gets a sync", async () => {
  const hub = createHub();
  const { heard } = await subscribed(hub);
  hub.drop();
  for (let events = 0; events <= 1_000; events++) hub.emit(PEOPLE, changed);
  await until(() => heard.length >= 4);
  await hub.settled();
  assert.deepEqual(heard, ["reconnecting", "connecting", "open", { sync: [PEOPLE] }]);
});
