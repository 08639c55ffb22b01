import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "tidings";
import { answer, server, settled, socket, sockets, useFake } from "./fake.js";

/** A client of a server whose tokens live for this many milliseconds, and its errors. */
function open(t, token, lifeMs) {
  useFake(t);
  server.answer = (socket, frame) => {
    if (frame.op === "token") {
      socket.receive({ op: "token_accepted", ref: frame.ref, expires_in_ms: lifeMs });
    } else {
      const receive = socket.receive.bind(socket);
      const welcomes = (said) => receive(said.op === "welcome" ? { ...said, expires_in_ms: lifeMs } : said);
      answer({ receive: welcomes }, frame);
    }
  };
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", token });
  t.after(() => client.close());
  const errors = [];
  client.on("error", (error) => errors.push(error.code));
  return { client, errors };
}

const tokens = () => socket().sent.filter(({ op }) => op === "token");

test("the callback is called before the token ends, and a failure of it leaves the session open", async (t) => {
  let calls = 0;
  const token = async () => {
    calls += 1;
    if (calls === 2) throw new Error("no network");
    return `token ${calls}`;
  };
  const { client, errors } = open(t, token, 5_000);
  await client.subscribe("staff:people", () => {}).ready;
  while (tokens().length < 1) await settled();
  assert.deepEqual(tokens()[0].token, "token 3");
  assert.deepEqual(errors, ["token_failed"]);
  assert.deepEqual([client.status, sockets.length], ["open", 1]);
});

test("a token that is a string is sent once", async (t) => {
  const { client, errors } = open(t, "the one", 1_000);
  await client.subscribe("staff:people", () => {}).ready;
  const begun = performance.now();
  while (performance.now() - begun < 1_100) await settled();
  assert.deepEqual([tokens(), errors, client.status], [[], [], "open"]);
});

test("a subscription that loses a topic by a fresh token hears which, and keeps the others", async (t) => {
  const { client, errors } = open(t, () => "token");
  const [told, shown, heard] = [[], [], []];
  const onError = ({ code, topic }) => told.push([code, topic]);
  const view = client.watch(["staff:people", "staff:teams"], {
    load: () => shown.length + 1,
    onData: (data) => shown.push(data),
    onError,
  });
  const teams = client.subscribe("staff:teams", () => heard.push("teams"), { onError });
  client.subscribe("staff:teams", () => {});
  await Promise.all([view.ready, teams.ready]);
  while (shown.length < 1) await settled();
  socket().receive({ op: "unsubscribed", topics: ["staff:teams"], code: "forbidden" });
  assert.deepEqual(told, [
    ["forbidden", "staff:teams"],
    ["forbidden", "staff:teams"],
  ]);
  assert.deepEqual(errors, ["forbidden"], "of the one that has no onError");
  socket().event(["staff:people"], { uuid: "0198c0de-0000-7000-8000-000000000001" });
  while (shown.length < 2) await settled();
  assert.deepEqual(heard, []);
});
