// A client that fetches its core as a file.
import { createClient, topic } from "tidings/url";
import { say, url } from "./say.js";

const client = createClient({ url });
const { ready } = client.subscribe(topic.staff.people, (event, meta) => {
  if (event.event === "person_updated") say(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
});
ready.then(() => say("ready"), say);
