"use client";

import { useEffect, useState } from "react";
import { createClient } from "tidings";
import { staff } from "tidings/domains";

export function Said() {
  const [said, setSaid] = useState("");
  useEffect(() => {
    const say = (text: string) => setSaid((before) => `${before} ${text}`);
    const server = new URLSearchParams(location.search).get("server");
    const client = createClient({ url: `${server}/v1/ws`, domains: [staff] });
    const { ready } = client.subscribe(staff.topics.people, (event, meta) => {
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
