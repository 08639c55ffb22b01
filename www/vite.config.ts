import { defineConfig } from "vite";

// `npm run dev` serves the page alone; the API and the WebSocket come from a running `tidings-demo`.
const api = "http://127.0.0.1:7710";

export default defineConfig({
  server: {
    host: "127.0.0.1",
    proxy: { "/api": api, "/v1": { target: api, ws: true } },
  },
  // The default is to inline small files as data: URLs, which the page's content security policy forbids.
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
