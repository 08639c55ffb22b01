// The browser fetches the core from the address of the files that wasm-bindgen made.
import { createClient } from "tidings/own";
import { helpdesk } from "./helpdesk";

const client = createClient({
  domains: [helpdesk],
  core: {
    glue: new URL("/pkg/helpdesk_client.js", document.baseURI),
    wasm: new URL("/pkg/helpdesk_client_bg.wasm", document.baseURI),
  },
});

function show(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("#log")?.append(line);
}

const ticket = new URLSearchParams(location.search).get("ticket") ?? "";
const subscription = client.subscribe(helpdesk.topics.ticket(ticket), (event, meta) => {
  if (event.event === "opened") show(`opened in ${event.payload.queue}${meta.decoded ? "" : " (untyped)"}`);
});
await subscription.ready;
show("ready");
