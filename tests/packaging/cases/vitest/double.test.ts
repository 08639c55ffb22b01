// A test of the user, with the hub of `tidings/testing`: no network, and no `ws`.
import { staff } from "tidings/domains";
import { createTestHub } from "tidings/testing";
import { expect, test } from "vitest";

const uuid = "0198c0de-0000-7000-8000-000000000001";

test("an event of the test's hub arrives in jsdom", async () => {
  const hub = createTestHub();
  const client = hub.createClient({ domains: [staff] });
  const heard: string[] = [];
  client.subscribe(staff.topics.people, (event) => void heard.push(event.event));
  await hub.settled();
  hub.emit(staff.topics.people, { domain: "staff", event: "person_updated", payload: { uuid } });
  await hub.settled();
  expect(heard).toEqual(["person_updated"]);
  hub.close();
});
