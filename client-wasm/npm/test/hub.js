// Hubs of `tidings/testing` that end with their test, and what their clients hear.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { staff } from "tidings/domains";
import { createTestHub } from "tidings/testing";

export const ID = "0198c0de-0000-7000-8000-000000000001";
export const PEOPLE = staff.topics.people;
export const changed = { domain: "staff", event: "person_updated", payload: { uuid: ID } };

const open = [];
afterEach(() => {
  for (const hub of open.splice(0)) hub.close();
});

export function createHub(options) {
  const hub = createTestHub(options);
  open.push(hub);
  return hub;
}

/** A client with a subscription that is in force, and what it heard. */
export async function subscribed(hub, topics = PEOPLE) {
  const client = hub.createClient({ domains: [staff] });
  const heard = [];
  client.on("status", (status) => heard.push(status));
  client.subscribe(topics, (event, meta) => heard.push({ event, meta }), {
    onSync: (sync) => heard.push({ sync: sync.topics }),
    onResume: () => heard.push("resumed"),
    onError: ({ code }) => heard.push({ code }),
  });
  await hub.settled();
  assert.deepEqual(heard.splice(0), ["connecting", "open"]);
  return { client, heard };
}

/** Lets real time pass until this holds. Only a test that fails waits for long. */
export async function until(holds) {
  const begun = performance.now();
  while (!holds()) {
    assert.ok(performance.now() - begun < 20_000, `not in time: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
