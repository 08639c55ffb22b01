// Types that the compiler must find in the user's own domain, and mistakes that it must refuse. Never run.
import { createClient } from "tidings";
import { type HelpdeskTicketEvent, helpdesk } from "./src/helpdesk";

const client = createClient({ domains: [helpdesk] });

client.subscribe(helpdesk.topics.ticket("7"), (event: HelpdeskTicketEvent) => void event);
client.subscribe(`helpdesk:queue:${"billing"}`, (event) => {
  const queue: string = event.payload.queue;
  const priority: number = event.payload.priority;
  const tags: string[] = event.payload.tags;
  const assignee: string | null | undefined = event.payload.assignee;
  void [queue, priority, tags, assignee];
  // @ts-expect-error a reply does not reach the queue
  if (event.event === "replied") return;
});
// @ts-expect-error a misspelt topic
client.subscribe("helpdesk:tiket:7", () => {});
const ticket = { uuid: "7", queue: "billing", priority: 1, tags: ["invoice"] };
void client.publish({ domain: "helpdesk", event: "closed", payload: ticket });
// @ts-expect-error a payload without its queue
void client.publish({ domain: "helpdesk", event: "closed", payload: { uuid: "7", priority: 1, tags: [] } });
// @ts-expect-error tags that are no list
void client.publish({ domain: "helpdesk", event: "closed", payload: { ...ticket, tags: "invoice" } });
const reply = { uuid: "7", author: "Zoë", audience: "agents" as const };
void client.publish({ domain: "helpdesk", event: "replied", payload: reply });
// @ts-expect-error a name that the choice does not have
void client.publish({ domain: "helpdesk", event: "replied", payload: { ...reply, audience: "all" } });
