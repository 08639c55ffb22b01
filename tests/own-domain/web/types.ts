// Types that the compiler must find in the user's own domain, and mistakes that it must refuse. Never run.
import { createClient } from "tidings";
import { type HelpdeskTicketEvent, helpdesk } from "./helpdesk";

const client = createClient({ domains: [helpdesk] });

client.subscribe(helpdesk.topics.ticket("7"), (event: HelpdeskTicketEvent) => void event);
client.subscribe(`helpdesk:queue:${"billing"}`, (event) => {
  const queue: string = event.payload.queue;
  void queue;
  // @ts-expect-error a reply does not reach the queue
  if (event.event === "replied") return;
});
// @ts-expect-error a misspelt topic
client.subscribe("helpdesk:tiket:7", () => {});
void client.publish({ domain: "helpdesk", event: "closed", payload: { uuid: "7", queue: "billing" } });
// @ts-expect-error a payload without its queue
void client.publish({ domain: "helpdesk", event: "closed", payload: { uuid: "7" } });
