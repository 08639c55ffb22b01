// Takes www/demo.png, the picture in the README: one window edits a person, the other one shows the change.
//
// `cargo xtask test browser` builds the demo. Then: TIDINGS_DEMO_BIN=../../target/release/tidings-demo npm run picture

import { fileURLToPath } from "node:url";
import { Demo } from "./demo.mjs";
import { launch, Window } from "./window.mjs";

const PICTURE = fileURLToPath(new URL("../../www/demo.png", import.meta.url));

/** How many edits come before the picture, so that it shows a median latency and not that of a cold start. */
const WARM_UPS = 20;

const STYLE = `
  body { margin: 0; width: 1240px; height: 705px; position: relative; font: 13px system-ui; background: #e9e6dd }
  figure { position: absolute; margin: 0; border-radius: 10px; overflow: hidden; box-shadow: 0 8px 28px #0004 }
  figcaption { padding: 6px 12px; color: #5a656e; background: #d8d4c8 }
  img { display: block }
  .shows { left: 24px; top: 24px }
  .edits { right: 24px; bottom: 24px }
`;

const browser = await launch();
const demo = await Demo.start();
const person = (await demo.call("GET", "people")).find(({ name }) => name === "Amara Okafor");

const edits = await Window.open(browser, demo.url, `#/people/${person.uuid}`);
const shows = await Window.open(browser, demo.url, "#/people");
await edits.page.setViewport({ width: 520, height: 276 });
await shows.page.setViewport({ width: 1120, height: 600 });
for (const window of [edits, shows]) await window.click("intro-hide");

await demo.call("PATCH", `people/${person.uuid}`, { email: "amara.okafor@example.com" });
for (let at = 0; at < WARM_UPS; at++) {
  await demo.call("PATCH", `people/${person.uuid}`, { role: `Engineer ${at}` });
  await shows.shows("people", `Engineer ${at}`);
}
await shows.click("clear");
await edits.click("edit");
await edits.fill("edit-form", "role", "Director of engineering");
await edits.submit("edit-form");
await Promise.all([
  edits.shows("value-role", "Director of engineering"),
  shows.shows("people", "Director of engineering"),
]);
await edits.page.evaluate(() => scrollTo(0, 0));
// The new entry of the feed fades in.
await shows.page.$eval("ol.events li", (entry) => Promise.all(entry.getAnimations().map((a) => a.finished)));

const image = async ({ page }) => `data:image/png;base64,${await page.screenshot({ encoding: "base64" })}`;
const shown = await image(shows);
const edited = await image(edits);
const page = await browser.newPage();
await page.setViewport({ width: 1240, height: 705 });
await page.setContent(`<style>${STYLE}</style>
  <figure class="shows"><figcaption>Another window: it shows the change at once</figcaption><img src="${shown}"></figure>
  <figure class="edits"><figcaption>One window: somebody saves a new role</figcaption><img src="${edited}"></figure>`);
await page.screenshot({ path: PICTURE });

await Promise.all([edits.close(), shows.close()]);
await demo.stop();
await browser.close();
