// The mistakes of users. Each error names the fault, its place and the remedy.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient, TidingsError } from "tidings";
import { staff } from "tidings/domains";
import { answer, FakeWebSocket, server, settled, socket, useFake } from "./fake.js";

const ID = "0198c0de-0000-7000-8000-000000000001";
const URL_ = "http://127.0.0.1:1/v1/ws";
const event = { domain: "staff", event: "person_updated", payload: { uuid: ID } };

/** Milliseconds after which a test has hung. */
const timeout = 20_000;

function open(t, options = {}) {
  useFake(t);
  const client = createClient({ url: URL_, ...options });
  t.after(() => client.close());
  return client;
}

/** Resolves with the next error of the client. */
const told = (client) => new Promise((resolve) => client.on("error", resolve));

/** Replaces a global value until the test is over. */
function replace(t, name, value) {
  const own = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true });
  t.after(() => {
    if (own) Object.defineProperty(globalThis, name, own);
    else delete globalThis[name];
  });
}

/** Lets attempts to connect fail until the test sets `server`. */
function useUnreachable(t) {
  useFake(t);
  const reach = { server: false };
  globalThis.WebSocket = class extends FakeWebSocket {
    constructor(...args) {
      super(...args);
      if (reach.server) return;
      this.readyState = 3;
      queueMicrotask(() => this.onclose?.({ target: this, code: 1006 }));
    }
  };
  return reach;
}

test("a call refuses an argument of a wrong type", async (t) => {
  const client = open(t);
  const load = () => {};
  const wrong = [
    [
      () => createClient("wss://example.com"),
      /createClient\(\{ url, token \}\): `options` must be an object, but is a string/,
    ],
    [() => createClient(null), /`options` must be an object, but is null/],
    [
      () => client.subscribe("staff:people"),
      /subscribe\(topics, handler\): `handler` must be a function, but is undefined/,
    ],
    [
      () => client.subscribe("staff:people", { onEvent: load }),
      /`handler` must be a function, but is an object/,
    ],
    [
      () => client.watch("staff:people", {}),
      /watch\(topics, \{ load, onData \}\): `load` must be a function, but is undefined/,
    ],
    [() => client.watch("staff:people"), /`options` must be an object, but is undefined/],
    [() => client.watch("staff:people", { load }), /`onData` must be a function, but is undefined/],
    [
      () => client.subscribe("staff:people", load, null),
      /subscribe\(topics, handler, options\): `options` must be an object, but is null/,
    ],
    [
      () => client.subscribe("staff:people", load, { onError: "x" }),
      /`onError` must be a function, but is a string/,
    ],
    [
      () => client.subscribe("staff:people", load, { signal: 5 }),
      /`signal` must be an AbortSignal, but is 5/,
    ],
    [
      () => client.watch("staff:people", { load, onData: load, concerns: true }),
      /`concerns` must be a function, but is a boolean/,
    ],
    [
      () => client.events("staff:people", { signal: {} }),
      /`signal` must be an AbortSignal, but is \[object Object\]/,
    ],
    [() => client.on("eror", load), /`type` must be "status" or "error", but is eror/],
    [() => client.on("error"), /on\(type, listener\): `listener` must be a function, but is undefined/],
  ];
  for (const [call, message] of wrong) assert.throws(call, { name: "TypeError", message });
  await settled();
  assert.equal(client.status, "idle", "what was refused asked for nothing");
});

test("the error of a value that is no event says what it is and what it should be", async (t) => {
  const client = open(t, { domains: [staff] });
  const circular = { ...event };
  circular.payload = { circular };
  const wrong = [
    ["x", /An event must be an object, \{ domain, event, payload \}, but is a string\./],
    [undefined, /but is undefined\./],
    [null, /but is null\./],
    [[event], /but is an array\./],
    [() => {}, /but is a function\./],
    [{}, /but has no `domain`\./],
    [{ domain: "staff", payload: {} }, /but has no `event`\./],
    [{ domain: "staff", event: "person_updated" }, /but has no `payload`\./],
    [{ ...event, domain: 7 }, /`domain` of an event must be a string, but is a number\./],
    [circular, /can't be written as JSON: TypeError: Converting circular/],
    [{ ...event, payload: { uuid: ID, n: 7n } }, /can't be written as JSON: TypeError: .*BigInt/],
    [{ ...event, toJSON() {} }, /its toJSON\(\) returns undefined/],
    [{ ...event, payload: { uuid: 7 } }, /payload of person_updated: /],
    [{ ...event, payload: {} }, /payload of person_updated: .*uuid/],
  ];
  for (const [value, message] of wrong)
    await assert.rejects(client.publish(value), { name: "TidingsError", code: "invalid_event", message });
  const publish = (options) => client.publish(event, options);
  await assert.rejects(publish({ key: "mine" }), {
    code: "invalid_event",
    message: /`key` is not a UUID: mine/,
  });
  await assert.rejects(publish({ topics: "a:b" }), { message: /`topics` must be a list of strings/ });
  await assert.rejects(publish({ topics: ["a b"] }), { code: "invalid_topic", message: /`a b`/ });
  await assert.rejects(publish({ key: 7 }), {
    name: "TypeError",
    message: /`key` must be a string, but is a number/,
  });
  await assert.rejects(publish({ signal: 5 }), {
    name: "TypeError",
    message: /`signal` must be an AbortSignal, but is 5/,
  });
  await assert.rejects(publish({ origin: {} }), {
    name: "TypeError",
    message: /`origin` must be a string, but is an object/,
  });
});

test("a value that JSON can't hold is refused and named, and other values are sent", async (t) => {
  const client = open(t);
  const publish = (values, options) =>
    client.publish({ ...event, payload: { uuid: ID, ...values } }, options);
  for (const [values, message] of [
    [{ total: NaN }, /JSON: TypeError: `total` is NaN$/],
    [{ deep: [{ total: -Infinity }] }, /`total` is -Infinity$/],
    [{ total: 7n }, /`total` is a BigInt$/],
    [{ people: new Map([["a", 1]]) }, /`people` is a Map$/],
    [{ people: new Set(["a"]) }, /`people` is a Set$/],
    [{ list: ["a", undefined] }, /`1` is undefined$/],
    [{ uuid: () => ID }, /`uuid` is a function$/],
    [{ deep: { kind: Symbol("x") } }, /`kind` is a symbol$/],
    [{ list: ["a", () => {}] }, /`1` is a function$/],
    [{ list: [Symbol("x")] }, /`0` is a symbol$/],
    // biome-ignore lint/suspicious/noSparseArray: it is what is refused
    [{ list: [, "a"] }, /`0` is undefined$/],
  ])
    await assert.rejects(publish(values), { name: "TidingsError", code: "invalid_event", message });
  for (const topics of [[undefined], ["crm:contact:7", undefined], [undefined, "crm:contact:7"]])
    await assert.rejects(publish({}, { topics }), {
      message: /A topic must be a string such as "staff:people", but is undefined/,
    });

  const date = new Date(0);
  await publish({ none: undefined, no: null, date, numbers: [-0, 0.1, 2 ** 32, 2 ** 53, 1e308, 5e-324] });
  assert.deepEqual(socket().sent.at(-1).event.payload, {
    uuid: ID,
    no: null,
    date: date.toJSON(),
    numbers: [0, 0.1, 4294967296, 9007199254740992, 1e308, 5e-324],
  });
});

test("the error of a wrong url says what is wrong with it", async (t) => {
  useFake(t);
  for (const [url, message] of [
    [
      "/v1/ws",
      /`url` \(\/v1\/ws\) is not the address of a WebSocket: it is not absolute, and there is no page/,
    ],
    ["localhost:7700/v1/ws", /it begins with localhost:/],
    ["ftp://example.com/", /it begins with ftp:/],
  ]) {
    const client = createClient({ url });
    const error = told(client);
    await assert.rejects(client.publish(event), { code: "invalid_url", message });
    assert.match((await error).hint, /^Begin it with ws:, wss:, http: or https:/);
    assert.equal(client.lastError, await error);
  }
});

test("a token that is no string is an error that says so, and the callback is called again", async (t) => {
  const answers = [{ token: "t" }, 7, "", "good"];
  const client = open(t, { token: async () => answers.shift() });
  const heard = [];
  client.on("error", ({ code, message }) => heard.push([code, message]));
  await client.subscribe("staff:people", () => {}).ready;
  assert.deepEqual(heard, [
    ["token_failed", "`token` must be a string (a JWT) or undefined, but is an object."],
    ["token_failed", "`token` must be a string (a JWT) or undefined, but is a number."],
    ["token_failed", "`token` must be a string (a JWT) or undefined, but is empty."],
  ]);
  assert.equal(socket().sent[0].token, "good");
});

test("a refused token and a missing token have different hints", async (t) => {
  for (const [token, hint] of [
    [undefined, /^No token was given: pass `token`/],
    ["wrong", /^The server refused the token\. Do its key, audience and issuer/],
    [() => "wrong", /^The server refused the token/],
    [() => undefined, /^No token was given/],
  ]) {
    const client = open(t, token === undefined ? {} : { token });
    server.answer = (socket, { op }) => {
      if (op !== "hello") return;
      socket.receive({ op: "error", code: "unauthorized", message: "the token's signature does not hold" });
      socket.drop(4401);
    };
    const [error, rejected] = [told(client), client.subscribe("staff:people", () => {}).ready];
    assert.match((await error).hint, hint);
    await assert.rejects(rejected, { code: "unauthorized", hint, message: /signature/ });
    await assert.rejects(client.publish(event), ({ code, message, cause }) => {
      assert.equal(code, "closed");
      assert.match(message, /closed by an error: unauthorized: the token's signature/);
      return cause === client.lastError;
    });
  }
});

test("the console shows an error that repeats once", { timeout }, async (t) => {
  const printed = mock.method(console, "error", () => {});
  t.after(() => printed.mock.restore());
  useFake(t);
  const client = createClient({ url: URL_, token: "wrong" });
  server.answer = (socket, { op }) => {
    if (op !== "hello") return;
    socket.receive({ op: "error", code: "unauthorized", message: "the token's signature does not match" });
    socket.drop(4401);
  };
  await assert.rejects(client.subscribe("staff:people", () => {}, { onError() {} }).ready);
  assert.equal(client.status, "closed");
  assert.equal(printed.mock.callCount(), 1);
});

test("the console shows no error of a client that was closed on purpose", { timeout }, async (t) => {
  useUnreachable(t);
  const client = createClient({ url: URL_ });
  const error = told(client);
  client.subscribe("staff:people", () => {});
  await error;
  client.close();
  await assert.rejects(client.publish(event), { code: "closed", message: "The client is closed." });
});

test("the error of a refused topic names the topic", async (t) => {
  const client = open(t);
  server.answer = (socket, frame) => {
    if (frame.op !== "subscribe") return answer(socket, frame);
    const codes = { "staff:peple": "invalid_topic", "x:y": "forbidden" };
    const topics = frame.topics.map((topic) => ({ topic, outcome: "refused", code: codes[topic] }));
    socket.receive({ op: "subscribed", ref: frame.ref, position: "p", topics });
  };
  const heard = [];
  const onError = ({ topic, message, hint }) => heard.push([topic, message, hint]);
  await client.subscribe(["staff:peple", "x:y"], () => {}, { onError }).ready.catch(() => {});
  await settled();
  assert.match(heard[0][1], /^`staff:peple`: The topic breaks the grammar/);
  assert.match(heard[0][2], /The module of a domain builds its topics/);
  assert.match(heard[1][1], /^`x:y`: Not allowed, or it does not exist/);
  assert.match(heard[1][2], /claims `subscribe` and `publish`/);
});

test("a client that can't connect tells it once, and lastError holds it until the connection is open", {
  timeout,
}, async (t) => {
  const reach = useUnreachable(t);
  const client = createClient({ url: URL_ });
  t.after(() => client.close());
  const heard = [];
  client.on("error", (error) => heard.push(error));
  assert.equal(client.lastError, undefined);
  const { ready } = client.subscribe("staff:people", () => {});
  await told(client);
  const [error] = heard;
  assert.ok(error instanceof TidingsError);
  assert.equal(error.code, "connect_failed");
  assert.equal(error.retryable, true);
  assert.equal(
    error.message,
    "No connection to ws://127.0.0.1:1/v1/ws: 3 attempts to connect failed: in the last one the WebSocket never opened.",
  );
  assert.equal(error.hint, "Is the server up, and is this its address? If it has TLS, write wss:.");
  assert.equal(client.lastError, error);
  reach.server = true;
  await ready;
  assert.deepEqual([client.lastError, heard], [undefined, [error]]);
});

test("a WebSocket that the browser refuses to create is one error with the reason", async (t) => {
  useFake(t);
  replace(t, "location", new URL("https://example.com/"));
  let attempts = 0;
  globalThis.WebSocket = class {
    constructor() {
      attempts += 1;
      throw new DOMException("An insecure WebSocket connection may not be initiated", "SecurityError");
    }
  };
  const client = createClient({ url: "ws://example.com/v1/ws" });
  t.after(() => client.close());
  const heard = [];
  client.on("error", ({ message, hint }) => heard.push(message, hint));
  client.subscribe("staff:people", () => {});
  while (attempts < 3) await settled();
  assert.equal(heard.length, 2);
  assert.match(heard[0], /^No connection to ws:\/\/example\.com\/v1\/ws: SecurityError: An insecure/);
  assert.match(heard[1], /^A page of https: may connect to wss: only\./);
});

test("the hint of connect_failed depends on the page and the URL", { timeout }, async (t) => {
  useUnreachable(t);
  const page = (url) => replace(t, "location", new URL(url));
  const hint = async (url) => {
    const client = createClient({ url });
    client.subscribe("staff:people", () => {});
    const { hint } = await told(client);
    client.close();
    return hint;
  };
  page("http://localhost:5173/");
  // A dev server without a proxy.
  assert.match(await hint("/v1/ws"), /pass WebSockets on to it \(Vite: server\.proxy with ws: true\)/);
  const other = await hint("http://localhost:7700/");
  assert.match(other, /Its path is \/v1\/ws/);
  assert.match(
    other,
    /Does it allow pages of http:\/\/localhost:5173 \(--allow-origin http:\/\/localhost:5173, or --dev\)/,
  );
  assert.doesNotMatch(other, /proxy with/);
  assert.match(await hint("wss://localhost:7700/v1/ws"), /If it has no TLS, write ws:/);
  page("https://example.com/");
  assert.match(await hint("ws://example.com/v1/ws"), /A page of https: may connect to wss: only/);
  replace(t, "navigator", { onLine: false });
  assert.match(await hint("/v1/ws"), /^This device is offline\./);
});

test("the console shows code, topic and hint of an error without a listener, once", {
  timeout,
}, async (t) => {
  const reach = useUnreachable(t);
  const printed = [];
  const print = mock.method(console, "error", (...text) => printed.push(text.join("|")));
  t.after(() => print.mock.restore());
  const client = createClient({ url: URL_ });
  t.after(() => client.close());
  const { ready } = client.subscribe("staff:people", () => {});
  while (!printed.length) await settled();
  reach.server = true;
  await ready;
  await client.subscribe("no topic", () => {}).ready.catch(() => {});
  assert.equal(printed.length, 2);
  assert.match(printed[0], /^tidings: connect_failed: No connection to ws:.*\nIs the server up/);
  assert.match(
    printed[1],
    /^tidings: invalid_topic: `no topic` is not a topic: .*\nThe module of a domain builds its topics/,
  );
  socket().receive({ op: "unsubscribed", topics: ["staff:people"], code: "forbidden" });
  assert.match(printed[2], /^tidings: forbidden: `staff:people`: Not allowed.*\nDo the token's claims/);
});

test("the error of an unreadable message says that the server sent it", async (t) => {
  const client = open(t);
  const error = told(client);
  await client.subscribe("staff:people", () => {}, { onSync: () => {} }).ready;
  socket().receive("<html>");
  const { code, message, hint } = await error;
  assert.equal(code, "invalid_frame");
  assert.match(message, /^A message from the server cannot be read: SyntaxError/);
  assert.match(hint, /Is that a Tidings server/);
});

test("an error has the name of its class, and the console shows its cause, and nothing twice", async (t) => {
  assert.equal(TidingsError.name, "TidingsError");
  const printed = mock.method(console, "error", () => {});
  t.after(() => printed.mock.restore());
  const client = open(t);
  const cause = new Error("no network");
  const load = () => {
    throw cause;
  };
  await client.watch("staff:people", { load, onData() {} }).ready;
  while (!printed.mock.callCount()) await settled();
  const text = "tidings: load_failed: The data was not loaded: Error: no network";
  assert.deepEqual(printed.mock.calls[0].arguments, [text, cause]);
});

test("the error of a topic without room has the hint that helps", async (t) => {
  const client = open(t);
  server.answer = (socket, frame) => {
    if (frame.op !== "subscribe") return answer(socket, frame);
    const topics = frame.topics.map((topic) => ({ topic, outcome: "refused", code: "overloaded" }));
    socket.receive({ op: "subscribed", ref: frame.ref, position: "000000000abc.7.0000001f", topics });
  };
  const overloaded = await client
    .subscribe("rows:1", () => {}, { onError() {} })
    .ready.catch((error) => error);
  assert.deepEqual([overloaded.code, overloaded.retryable], ["overloaded", true]);
  assert.match(overloaded.hint, /^The client asks again by itself\..*--max-topics-per-tenant/);

  // This bound is the client's own. No setting of the server raises it.
  const rows = Array.from({ length: 4_097 }, (_, row) => `rows:${row}`);
  const own = await client.subscribe(rows, () => {}, { onError() {} }).ready.catch((error) => error);
  assert.equal(own.code, "too_many_topics");
  assert.match(own.message, /at most 4096 topics/);
  assert.equal(own.hint, "Unsubscribe from topics that are not shown.");
});
