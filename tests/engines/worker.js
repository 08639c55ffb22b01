// A worker with a client: it says when it is subscribed, and then each event's payload.

import { createClient } from "tidings";
import { staff } from "tidings/domains";

addEventListener("message", async ({ data: { url, topics } }) => {
  const client = createClient({ url, domains: [staff] });
  await client.subscribe(topics, ({ payload }) => postMessage(payload)).ready;
  postMessage("ready");
});
