import type { Client } from "tidings/own";
import { topic } from "./helpdesk";

export const parameters = new URLSearchParams(location.search);

function show(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("#log")?.append(line);
}

/** Shows what happens to a ticket. */
export async function run(client: Client): Promise<void> {
  Object.assign(globalThis, { client });
  const ticket = parameters.get("ticket") ?? "";
  const subscription = client.subscribe(topic.helpdesk.ticket(ticket), (event, meta) => {
    const typed = meta.decoded ? "" : " (untyped)";
    switch (event.event) {
      case "replied":
        show(`${event.payload.author} replied${event.payload.internal ? " internally" : ""}${typed}`);
        break;
      case "opened":
      case "closed":
        show(`${event.event} in ${event.payload.queue}${typed}`);
        break;
      default:
        // Of a server that is newer than this page.
        show(`${(event as { event: string }).event}${typed}`);
    }
  });
  await subscription.ready;
  show("ready");
}
