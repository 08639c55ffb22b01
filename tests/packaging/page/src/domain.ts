// A client that knows one domain.
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { say, url } from "./say.js";

const client = createClient({ url, domains: [staff] });
const { ready } = client.subscribe(staff.topics.people, (event, meta) => {
  if (event.event === "person_updated") say(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
});
ready.then(() => say("ready"), say);
