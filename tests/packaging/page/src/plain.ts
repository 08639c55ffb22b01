// Only a client. Events are not typed.
import { createClient } from "tidings";
import { say, url } from "./say.js";

const client = createClient({ url });
const { ready } = client.subscribe("staff:people", ({ event, payload }) => {
  say(`${event} ${JSON.stringify(payload)}`);
});
ready.then(() => say("ready"), say);
