// Mistakes that must not compile. `compile.test.js` checks that the compiler's messages help.
import { createClient, type Domain } from "tidings";
import * as domains from "tidings/domains";
import { projects, type StaffEvent, type StaffTopics, staff } from "tidings/domains";

const client = createClient({ domains: [staff, projects] });

client.subscribe("staff:peple", () => {});
client.subscribe(["staff:people", "staff:peple"], () => {});
client.watch("staff:peple", { load: () => 1, onData: () => {} });
client.events("projects:al");
client.publish({ domain: "staff", event: "person_promoted", payload: { uuid: "" } });
client.publish({ domain: "staff", event: "person_updated", payload: { uid: "" } });
client.subscribe(staff.topics.person(""), ({ payload }) => payload.uid);
client.subscribe(staff.topics.persons(""), () => {});

// A module in the place of its domain.
createClient({ domains: [domains] });

// Two domains of other generators. The newer one has a type that this package does not know.
const newer: Domain<"staff", StaffEvent, StaffTopics> = {
  name: "staff",
  fingerprint: "0123456789abcdef",
  topics: {},
  events: [[["person_updated"], [["uuid", ["ulid", 26]]]]],
};
createClient({ domains: [{ name: "staff", topics: {} }] });

export { newer };
