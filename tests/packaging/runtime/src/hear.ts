import { createClient } from "tidings";
import { staff } from "tidings/domains";

/** Publishes an event to a server, and returns the event when it comes back. */
export async function hear(server: string): Promise<string> {
  const client = createClient({ url: `${server}/v1/ws`, domains: [staff] });
  // Other tests publish too.
  const payload = { uuid: crypto.randomUUID() };
  const { promise, resolve } = deferred<string>();
  const subscription = client.subscribe(staff.topics.people, (event, meta) => {
    if (event.event !== "person_updated" || event.payload.uuid !== payload.uuid) return;
    resolve(`${event.event} ${event.payload.uuid} ${meta.decoded}`);
  });
  await subscription.ready;
  await client.publish({ domain: "staff", event: "person_updated", payload });
  const heard = await promise;
  client.close();
  return heard;
}

/** `Promise.withResolvers`, which Node.js 20 lacks. */
function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
