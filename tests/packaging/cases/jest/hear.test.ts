import { hear } from "./src/hear.js";

test("an event arrives in jsdom", async () => {
  expect(navigator.userAgent).toContain("jsdom");
  expect(await hear(process.env.SERVER ?? "")).toMatch(/^person_updated .* true$/);
});
