// A client that knows one domain.
import { createClient, topic } from "tidings";
import { say, url } from "./say.js";

const client = createClient({ url });
const { ready } = client.subscribe(topic.staff.people, (event, meta) => {
  if (event.event === "person_updated") say(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
});
ready.then(() => say("ready"), say);
