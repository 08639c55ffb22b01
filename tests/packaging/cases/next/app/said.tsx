"use client";

import { useEffect, useState } from "react";
import { createClient, topic } from "tidings";

export function Said() {
  const [said, say] = useState("");
  useEffect(() => {
    const server = new URLSearchParams(location.search).get("server");
    const client = createClient({ url: `${server}/v1/ws` });
    const { ready } = client.subscribe(topic.staff.people, (event, meta) => {
      if (event.event === "person_updated") say(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
    });
    ready.then(
      () => say("ready"),
      () => {},
    );
    return () => client.close();
  }, []);
  return <p id="said">{said}</p>;
}
