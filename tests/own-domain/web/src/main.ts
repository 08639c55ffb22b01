import { createClient } from "tidings";
import { helpdesk } from "./helpdesk";

const client = createClient({ url: "/v1/ws", domains: [helpdesk] });

function show(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("#log")?.append(line);
}

const ticket = new URLSearchParams(location.search).get("ticket") ?? "0198c0de-0000-7000-8000-000000000001";
const subscription = client.subscribe(helpdesk.topics.ticket(ticket), (event) => {
  switch (event.event) {
    case "opened":
    case "closed": {
      const { queue, priority, tags, assignee } = event.payload;
      show(
        `${event.event} in ${queue}: priority ${priority + 1}, ${tags.join(" and ")}, ${assignee ?? "nobody"}`,
      );
      break;
    }
    case "replied": {
      const { author, audience, hours } = event.payload;
      show(`${author} replied to the ${audience} after ${hours?.toFixed(1) ?? "some"} hours`);
    }
  }
});
await subscription.ready;
show("ready");
