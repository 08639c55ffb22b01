// jsdom's own WebSocket does not open in Vitest, with or without this package: its events are no events to Node.js.
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { hear } from "./src/hear.js";

Object.assign(globalThis, { WebSocket });

test("an event arrives in jsdom", async () => {
  expect(navigator.userAgent).toContain("jsdom");
  expect(await hear(process.env.SERVER ?? "")).toMatch(/^person_updated .* true$/);
});
