// A callback may throw a value without a text. That must end no loop of the client.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "tidings";
import { Client } from "../dist/client.js";
import { settled, socket, useFake } from "./fake.js";

const URL_ = "http://127.0.0.1:1/v1/ws";
const timeout = 20_000;

/** Values that no template can hold, and the text of each in an error. */
const THROWN = [
  [Symbol("gone"), "Symbol(gone)"],
  [Object.create(null), "[object Object]"],
  [{ toString: () => ({}), valueOf: () => ({}) }, "[object Object]"],
  [revoked(), "a value without a text"],
];

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function open(t, options = {}) {
  useFake(t);
  const client = createClient({ url: URL_, ...options });
  t.after(() => client.close());
  return client;
}

test("a watch whose `load` throws a value without a text gets the error and loads again", {
  timeout,
}, async (t) => {
  for (const [thrown, text] of THROWN) {
    const client = open(t);
    const errors = [];
    let loads = 0;
    const load = () => {
      loads += 1;
      if (loads === 1) throw thrown;
      return loads;
    };
    const shown = new Promise((resolve) => {
      client.watch("staff:people", { load, onData: resolve, onError: (error) => errors.push(error) });
    });
    assert.equal(await shown, 2);
    assert.deepEqual(
      errors.map(({ code, message }) => [code, message]),
      [["load_failed", `The data was not loaded: ${text}`]],
    );
    assert.equal(errors[0].cause, thrown);
    client.close();
  }
});

test("a token callback that throws a value without a text is called again", { timeout }, async (t) => {
  for (const [thrown, text] of THROWN) {
    let calls = 0;
    const token = () => {
      calls += 1;
      if (calls === 1) throw thrown;
      return "good";
    };
    const client = open(t, { token });
    const heard = [];
    client.on("error", ({ code, message }) => heard.push([code, message]));
    await client.subscribe("staff:people", () => {}).ready;
    assert.deepEqual(heard, [["token_failed", `The token callback failed: ${text}`]]);
    assert.equal(socket().sent[0].token, "good");
    client.close();
  }
});

test("an event whose toJSON throws a value without a text is refused with a code", async (t) => {
  const client = open(t);
  for (const [thrown, text] of THROWN) {
    const payload = {
      toJSON() {
        throw thrown;
      },
    };
    await assert.rejects(client.publish({ domain: "staff", event: "person_updated", payload }), {
      code: "invalid_event",
      message: `The event can't be written as JSON: ${text}`,
    });
  }
});

test("a core whose import throws a value without a text closes the client with a code", async (t) => {
  useFake(t);
  for (const [thrown, text] of THROWN.slice(0, 3)) {
    const client = new Client(() => Promise.reject(thrown), { url: URL_ });
    const told = new Promise((resolve) => client.on("error", resolve));
    const { ready } = client.subscribe("staff:people", () => {}, { onError() {} });
    await assert.rejects(ready, { code: "wasm_unavailable", message: `The core was not loaded: ${text}` });
    assert.equal((await told).cause, thrown);
    await settled();
    assert.equal(client.status, "closed");
  }
});
