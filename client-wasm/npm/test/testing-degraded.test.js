// A hub of `tidings/testing` that hears nothing from its journal.
import assert from "node:assert/strict";
import { test } from "node:test";
import { changed, createHub, PEOPLE, subscribed, until } from "./hub.js";

test("without the journal a client is degraded, and it is open again when it has all that was late", async () => {
  const hub = createHub();
  const { client, heard } = await subscribed(hub);
  hub.degrade();
  hub.degrade();
  await hub.settled();
  assert.deepEqual([client.status, heard.splice(0)], ["degraded", ["degraded"]]);
  const { key } = hub.emit(PEOPLE, changed);
  hub.sync();
  const refused = { code: "overloaded", retryable: true };
  await assert.rejects(client.publish(changed, { topics: ["other:1"] }), refused);
  await client.subscribe("staff:teams", () => {}).ready;
  await hub.settled();
  assert.deepEqual(heard, []);
  hub.restore();
  await hub.settled();
  assert.deepEqual(
    heard.map((one) => one.meta?.key ?? one),
    [key, { sync: [PEOPLE] }, "open"],
  );
  await client.publish(changed, { topics: ["other:1"] });
});

test("a client that comes back to a hub without its journal is degraded, and misses nothing", async () => {
  const hub = createHub();
  const { client, heard } = await subscribed(hub);
  hub.degrade();
  const { key } = hub.emit(PEOPLE, changed);
  await hub.settled();
  hub.drop();
  await until(() => heard.includes("resumed"));
  await hub.settled();
  assert.deepEqual(heard.splice(0), [
    "degraded",
    "reconnecting",
    "connecting",
    "open",
    "degraded",
    "resumed",
  ]);
  hub.restart();
  await until(() => heard.some(({ sync }) => sync));
  await hub.settled();
  assert.equal(client.status, "degraded", "nobody has given the journal back");
  hub.emit(PEOPLE, changed, { key });
  await hub.settled();
  heard.length = 0;
  hub.restore();
  await until(() => client.status === "open");
  assert.deepEqual(
    heard.map((one) => one.meta?.key ?? one),
    [key, "open"],
  );
});
