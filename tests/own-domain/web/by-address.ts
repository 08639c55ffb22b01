// As app.ts, but the browser fetches the core from where the files are served as wasm-bindgen made them.
import { createClient } from "tidings/own";
import { parameters, run } from "./page";

const client = createClient({
  url: parameters.get("server") ?? "/v1/ws",
  core: {
    glue: new URL("/pkg/helpdesk_client.js", document.baseURI),
    wasm: new URL("/pkg/helpdesk_client_bg.wasm", document.baseURI),
  },
});
await run(client);
