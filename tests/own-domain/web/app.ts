import { createClient } from "tidings/own";
import { topic } from "./helpdesk";

const parameters = new URLSearchParams(location.search);
const ticket = parameters.get("ticket") ?? "";

const client = createClient({
  url: parameters.get("server") ?? "/v1/ws",
  core: {
    glue: new URL("pkg/helpdesk_client.js", document.baseURI),
    wasm: new URL("pkg/helpdesk_client_bg.wasm", document.baseURI),
  },
});

function show(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("#log")?.append(line);
}

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

Object.assign(globalThis, { client });
