import { createClient } from "tidings";
import { staff } from "tidings/domains";

/** Subscribes, and tells what it hears. */
export function hear(url: string, tell: (text: string) => void): void {
  const client = createClient({ url, domains: [staff] });
  const { ready } = client.subscribe(staff.topics.people, (event, meta) => {
    if (event.event === "person_updated") tell(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
  });
  ready.then(
    () => tell("ready"),
    (error) => tell(String(error)),
  );
}
