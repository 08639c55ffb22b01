import { createClient } from "tidings/own";
import { helpdesk } from "./helpdesk";

const client = createClient({
  url: "/v1/ws",
  domains: [helpdesk],
  core: { glue: () => import("./pkg/helpdesk_client.js") },
});

function show(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("#log")?.append(line);
}

const ticket = new URLSearchParams(location.search).get("ticket") ?? "0198c0de-0000-7000-8000-000000000001";
const subscription = client.subscribe(helpdesk.topics.ticket(ticket), (event, meta) => {
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
      // An event of a server that is newer than this page.
      show(`${(event as { event: string }).event}${typed}`);
  }
});
await subscription.ready;
show("ready");

// For the browser's console.
Object.assign(globalThis, { client });
