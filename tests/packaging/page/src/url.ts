// A client that fetches its core as a file.
import { staff } from "tidings/domains";
import { createClient } from "tidings/url";
import { say, url } from "./say.js";

const client = createClient({ url, domains: [staff] });
const { ready } = client.subscribe(staff.topics.people, (event, meta) => {
  if (event.event === "person_updated") say(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
});
ready.then(() => say("ready"), say);
