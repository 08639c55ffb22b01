import { defineConfig } from "vitest/config";

// `npm run dev` serves the page alone; the API and the WebSocket come from a running `tidings-demo`.
const api = "http://127.0.0.1:7710";

export default defineConfig({
  server: {
    host: "127.0.0.1",
    proxy: { "/api": api, "/v1": { target: api, ws: true } },
  },
  build: {
    target: "es2022",
    // The default is to inline small files as data: URLs, which the page's content security policy forbids.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // React's helpers say "use client" for servers that render. This page has none.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  test: { environment: "jsdom", setupFiles: "test/setup.ts", testTimeout: 30_000 },
});
