// Faults that a review found.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Demo } from "./demo.mjs";
import { launch, Window } from "./window.mjs";

let browser;
let demo;

before(async () => {
  browser = await launch();
  demo = await Demo.start();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

test("a box that is ticked and unticked while the first request is slow shows what is stored", async () => {
  const projects = await demo.call("GET", "projects");
  const { uuid } = projects.find(({ name }) => name === "Lamp 3");
  const a = await Window.open(browser, demo.url, `#/projects/${uuid}`);
  const box = '::-p-aria(Build a prototype is done[role="checkbox"])';
  await a.page.waitForSelector(box);
  await a.page.setRequestInterception(true);
  let slow;
  a.page.on("request", (request) => {
    if (request.method() === "PATCH" && !slow) slow = request;
    else request.continue();
  });
  await a.page.locator(box).click();
  await a.page.waitForSelector(`${box}:checked`);
  await a.page.locator(box).click();
  await a.page.waitForSelector(`${box}:not(:checked)`);
  await a.shows("view-heard", "Your own change");
  const answered = a.page.waitForResponse((response) => response.request() === slow);
  slow.continue();
  await answered;
  const { assignments } = await demo.call("GET", `projects/${uuid}`);
  const stored = assignments.find(({ title }) => title === "Build a prototype").is_done;
  assert.equal(stored, true);
  await a.page.waitForSelector(`${box}:checked`, { timeout: 3_000 });
  await a.close();
});

test("a view that loaded what it missed does not say that nothing had to be loaded", async () => {
  const people = await demo.call("GET", "people");
  const { uuid } = people.find(({ name }) => name === "Rafael Duarte");
  const a = await Window.open(browser, demo.url, `#/people/${uuid}`);
  await a.shows("value-role", "Buyer");
  await a.freeze();
  await demo.call("PATCH", `people/${uuid}`, { role: "Head of supply" });
  await a.thaw();
  await a.shows("value-role", "Head of supply");
  const heard = await a.page.$eval('[data-testid="view-heard"]', (element) => element.textContent);
  assert.doesNotMatch(heard, /nothing had to be loaded/);
  await a.close();
});
