import { createClient } from "tidings/own";
import { parameters, run } from "./page";

const client = createClient({
  url: parameters.get("server") ?? "/v1/ws",
  core: { glue: () => import("./pkg/helpdesk_client.js") },
});
await run(client);
