// Mistakes that must not compile. `compile.test.js` checks that the compiler's messages help.
import { createClient } from "tidings";

const client = createClient();

client.subscribe("staff:peple", () => {});
client.subscribe(["staff:people", "staff:peple"], () => {});
client.watch("staff:peple", { load: () => 1, onData: () => {} });
client.events("projects:al");
client.publish({ domain: "staff", event: "person_promoted", payload: { uuid: "" } });
client.publish({ domain: "staff", event: "person_updated", payload: { uid: "" } });
