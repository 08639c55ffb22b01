// The page "links" of the demo. The bridge tells of each change of its table. `sqlite3` is the second writer.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Demo } from "./demo.mjs";
import { launch, Window } from "./window.mjs";

let browser;
let demo;
let windows;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

beforeEach(async () => {
  demo = await Demo.start();
  windows = await Promise.all([1, 2].map(() => Window.open(browser, demo.url, "#/links")));
  await everybodyShowsTheTable();
});

afterEach(async () => {
  const faults = windows.flatMap((window) => window.faults);
  const documents = windows.map((window) => window.documents);
  await Promise.all(windows.map((window) => window.close()));
  await demo?.stop();
  assert.deepEqual(faults, [], "the page reported faults");
  assert.deepEqual(documents, [1, 1], "no window was loaded again");
});

/** The rows that a window shows. */
const shown = () =>
  [...document.querySelectorAll('[data-testid="links"] tbody tr')].map((row) => [
    row.dataset.key,
    row.querySelector("a").textContent,
    row.querySelector("p")?.textContent ?? "",
    [...row.querySelectorAll("li")].map((tag) => tag.textContent),
    row.querySelector(".number").textContent,
  ]);

/** Waits until both windows show each row of the table, in its order. Returns the rows. */
async function everybodyShowsTheTable() {
  const rows = await demo.call("GET", "links");
  const wanted = rows.map(({ id, title, note, tags, votes }) => [`${id}`, title, note, tags, `▲ ${votes}`]);
  for (const { page } of windows) {
    await page.waitForSelector('[data-testid="links"]');
    const isShown = `JSON.stringify((${shown})()) === ${JSON.stringify(JSON.stringify(wanted))}`;
    await page.waitForFunction(isShown).catch(async () => {
      assert.deepEqual(await page.evaluate(shown), wanted);
    });
  }
  return rows;
}

test("what a shell inserts, updates, replaces and deletes is in both windows", async () => {
  const [a, b] = windows;
  await demo.sql(`INSERT INTO links (title, url, note, tags, votes)
    VALUES ('Caf\u00e9 "Zum Löwen"', 'https://example.org', '<b>1</b>', json_array('a', 'b "c"'), 9007199254740991)`);
  const [newest] = await everybodyShowsTheTable();
  assert.deepEqual([newest.title, newest.votes], ['Café "Zum Löwen"', 9007199254740991]);
  await a.screenshot("links");

  await demo.sql("UPDATE links SET votes = votes + 1 WHERE id <= 2");
  await everybodyShowsTheTable();
  // A replaced row is deleted and inserted, and the triggers of a shell do not see the first.
  await demo.sql("REPLACE INTO links (id, title, url) VALUES (1, 'Replaced', 'https://example.org/1')");
  await everybodyShowsTheTable();
  await demo.sql("UPDATE links SET id = 77 WHERE id = 2");
  await everybodyShowsTheTable();
  await demo.sql(`BEGIN; UPDATE links SET title = 'Never'; SAVEPOINT s; DELETE FROM links; ROLLBACK TO s; ROLLBACK;
    BEGIN; UPDATE links SET title = 'Both', note = id; DELETE FROM links WHERE id = 3; COMMIT`);
  const rows = await everybodyShowsTheTable();
  assert.ok(rows.every(({ id, title, note }) => title === "Both" && note === `${id}`));

  // More rows than the page takes from events, one by one.
  await demo.sql(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
    INSERT INTO links (title, url) SELECT 'Link ' || i, 'https://example.org' FROM n`);
  assert.equal((await everybodyShowsTheTable()).length, 105);
  await demo.sql("UPDATE links SET votes = id");
  await everybodyShowsTheTable();

  await demo.sql("DELETE FROM links");
  assert.deepEqual(await everybodyShowsTheTable(), []);
  await Promise.all([a.shows("links", "There are no links"), b.shows("links", "There are no links")]);
  await a.shows("feed", "the table");
});

test("each command that the page shows changes both windows, and the keyboard alone copies it", async () => {
  const [a] = windows;
  const { keyboard } = a.page;
  await a.context.overridePermissions(demo.url, ["clipboard-read", "clipboard-sanitized-write"]);
  await a.page.bringToFront();
  await a.page.focus('.terminal input[type="radio"]');
  const done = [];
  for (const name of ["Change all", "Add", "Replace", "Delete all"]) {
    await a.page.waitForSelector(`::-p-aria(${name}[role="radio"]):checked`);
    await keyboard.press("Tab");
    await keyboard.press("Enter");
    await a.shows("toasts", "copied");
    const command = await a.page.evaluate(() => navigator.clipboard.readText());
    await demo.terminal(command);
    done.push(await everybodyShowsTheTable());
    await keyboard.down("Shift");
    await keyboard.press("Tab");
    await keyboard.up("Shift");
    await keyboard.press("ArrowRight");
  }
  const titles = done.map((rows) => rows.map(({ title }) => title));
  assert.deepEqual(titles[1], ["From a terminal", ...titles[0]]);
  assert.deepEqual(titles[2].at(-1), "Replaced in a terminal");
  assert.deepEqual(titles[3], []);
});

test("a write of the page reaches both windows by the bridge alone", async () => {
  const [a, b] = windows;
  await a.click("add-link-open");
  await a.fill("add-link", "title", "By hand");
  await a.fill("add-link", "url", "https://example.org/hand");
  await a.fill("add-link", "tags", "typed, by hand");
  await a.submit("add-link");
  await b.shows("links", "By hand");
  const [added] = await everybodyShowsTheTable();
  assert.deepEqual(added.tags, ["typed", "by hand"]);

  await b.page.locator(`tr[data-key="${added.id}"] .number button`).click();
  await a.page.waitForSelector(`::-p-aria(1 votes for By hand: add one)`);

  await a.page.locator(`::-p-aria(Edit By hand[role="button"])`).click();
  await a.fill("edit-link", "title", "Typed");
  await demo.sql("UPDATE links SET title = 'From a shell', note = 'new' WHERE title = 'By hand'");
  await a.shows("newer", "Title");
  const note = '[data-testid="edit-link"] [data-testid="field-note"]';
  assert.equal(await a.page.$eval(note, (input) => input.value), "new");
  await a.click("newer-keep");
  await a.submit("edit-link");
  await b.shows("links", "Typed");

  await a.page.locator(`::-p-aria(Delete Typed[role="button"])`).click();
  await a.click("confirm-yes");
  await b.hides("links", "Typed");
  await everybodyShowsTheTable();
});

test("what a shell writes while the server is away is in both windows when it is back", async () => {
  await demo.kill();
  await Promise.all(windows.map((window) => window.lost()));
  await demo.sql("UPDATE links SET title = 'Meanwhile' WHERE id = 4; DELETE FROM links WHERE id = 5");
  await demo.restart();
  await Promise.all(windows.map((window) => window.live()));
  const rows = await everybodyShowsTheTable();
  assert.deepEqual(
    rows.slice(0, 1).map(({ title }) => title),
    ["Meanwhile"],
  );
  await demo.sql("UPDATE links SET title = 'Afterwards' WHERE id = 4");
  await everybodyShowsTheTable();
});
