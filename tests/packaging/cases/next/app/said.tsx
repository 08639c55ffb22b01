"use client";

import { useState } from "react";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { TidingsProvider, useSubscription } from "tidings/react";

// While the page is rendered on a server, the client does nothing.
const query = typeof location === "undefined" ? "" : location.search;
const client = createClient({
  url: `${new URLSearchParams(query).get("server")}/v1/ws`,
  domains: [staff],
});

export function Said() {
  return (
    <TidingsProvider client={client}>
      <People />
    </TidingsProvider>
  );
}

function People() {
  const [said, setSaid] = useState("");
  const say = (text: string) => setSaid((before) => `${before} ${text}`);
  useSubscription(
    staff.topics.people,
    (event, meta) => {
      if (event.event === "person_updated") say(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
    },
    { onReady: () => say("ready") },
  );
  return <p id="said">{said}</p>;
}
