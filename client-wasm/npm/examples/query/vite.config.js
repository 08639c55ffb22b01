import { defineConfig } from "vite";

const { TIDINGS = "http://127.0.0.1:7700", BACKEND = "http://127.0.0.1:4000" } = process.env;

export default defineConfig({
  // A page reaches the server of Tidings and its own backend at its own address.
  server: { proxy: { "/v1": { target: TIDINGS, ws: true }, "/api": BACKEND } },
});
