import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
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
  windows = [];
});

afterEach(async () => {
  const faults = windows.flatMap((window) => window.faults);
  await Promise.all(windows.map((window) => window.close()));
  await demo?.stop();
  assert.deepEqual(faults, [], "the page reported faults");
});

/** Two windows of two users. They share only the server. */
async function twoWindows(hashA, hashB = hashA) {
  windows = await Promise.all([Window.open(browser, demo.url, hashA), Window.open(browser, demo.url, hashB)]);
  return windows;
}

/** The record with this name or title in a list of the API. */
async function find(path, name) {
  const list = await demo.call("GET", path);
  const found = list.find((record) => (record.name ?? record.title) === name);
  assert.ok(found, `${path} has no ${name}`);
  return found;
}

/** Asserts that the window was not reloaded. */
function untouched(window) {
  assert.equal(window.documents, 1, "the window was loaded again");
}

test("a person edited in one window changes in the other, in the detail view and in the list", async () => {
  const person = await find("people", "Mei Tanaka");
  const [a, b] = await twoWindows(`#/people/${person.uuid}`);
  await b.shows("value-role", "Electronics engineer");
  await a.click("edit");
  await a.fill("edit-form", "name", "Mei Tanaka-Berg");
  await a.fill("edit-form", "role", "Head of hardware");
  await a.submit("edit-form");
  await Promise.all([b.shows("title", "Mei Tanaka-Berg"), b.shows("value-role", "Head of hardware")]);
  await a.shows("title", "Mei Tanaka-Berg");
  await b.shows("feed", "person updated");
  await b.screenshot("person");
  untouched(b);

  await b.visit("#/people");
  await a.visit("#/people");
  await b.shows("people", "Head of hardware");
  await a.click("add-person-open");
  await a.fill("add-person", "name", "Oluwaseun Bright");
  await a.submit("add-person");
  await b.shows("people", "Oluwaseun Bright");
  untouched(b);
});

test("a team moved in one window leaves one department and enters another in the other", async () => {
  const team = await find("teams", "Support");
  const engineering = await find("departments", "Engineering");
  const customers = await find("departments", "Customers");
  const [a, b] = await twoWindows(`#/teams/${team.uuid}`, `#/departments/${engineering.uuid}`);
  const c = await Window.open(browser, demo.url, `#/departments/${customers.uuid}`);
  windows.push(c);
  await c.shows("department-teams", "Support");
  await a.click("edit");
  await a.choose("edit-form", "department_uuid", "Engineering");
  await a.submit("edit-form");
  await Promise.all([b.shows("department-teams", "Support"), c.hides("department-teams", "Support")]);
  await a.shows("value-department", "Engineering");
  untouched(b);
  untouched(c);
});

test("members join and leave a team for both windows", async () => {
  const team = await find("teams", "Sales");
  const [a, b] = await twoWindows(`#/teams/${team.uuid}`);
  await a.click("add-member-open");
  await a.choose("add-member", "person_uuid", "Ingrid Solberg");
  await a.submit("add-member");
  await b.shows("members", "Ingrid Solberg");
  await a.page.locator('::-p-aria(Remove Ingrid Solberg[role="button"])').click();
  await b.hides("members", "Ingrid Solberg");
});

test("a project edited, completed and reordered in one window changes in the other", async () => {
  const project = await find("projects", "Lamp 3");
  const [a, b] = await twoWindows(`#/projects/${project.uuid}`);
  await a.click("edit");
  await a.fill("edit-form", "summary", "It sees around corners.");
  await a.submit("edit-form");
  await b.shows("value-summary", "It sees around corners.");
  await a.click("action-complete");
  await b.shows("value-status", "completed");
  await a.page.locator('::-p-aria(Move Test in the field up[role="button"])').click();
  await b.page.waitForFunction(() =>
    document
      .querySelectorAll('[data-testid="assignments"] tbody tr')[2]
      ?.textContent.includes("Test in the field"),
  );
  await a.page.locator('::-p-aria(Build a prototype is done[role="checkbox"])').click();
  await b.page.waitForSelector('::-p-aria(Build a prototype is done[role="checkbox"]):checked');
  await b.screenshot("project");
  untouched(b);
});

test("a catalogue item edited in one window changes in the other", async () => {
  const shop = await find("catalogues", "Shop");
  const { items } = await demo.call("GET", `catalogues/${shop.uuid}`);
  const lock = items.find((item) => item.name === "Frame lock");
  const [a, b] = await twoWindows(`#/items/${lock.uuid}`, `#/catalogues/${shop.uuid}`);
  await b.shows("items", "Frame lock");
  await a.click("edit");
  await a.fill("edit-form", "name", "Frame lock II");
  await a.fill("edit-form", "price_cents", "134.50");
  await a.submit("edit-form");
  await Promise.all([b.shows("items", "Frame lock II"), b.shows("items", "134.50")]);
  await b.screenshot("catalogue");
  untouched(b);
});

test("an interaction edited in one window changes for every contact that took part", async () => {
  const elena = await find("contacts", "Elena Rossi");
  const samuel = await find("contacts", "Samuel Adeyemi");
  const [a, b] = await twoWindows(`#/contacts/${elena.uuid}`, `#/contacts/${samuel.uuid}`);
  await a.click("add-interaction-open");
  await a.fill("add-interaction", "summary", "Lunch in Florence");
  await a.page.locator('::-p-aria(Samuel Adeyemi[role="checkbox"])').click();
  await a.submit("add-interaction");
  await b.shows("interactions", "Lunch in Florence");

  const created = (await demo.call("GET", `contacts/${elena.uuid}/interactions`))[0];
  await a.page.locator(`tr[data-key="${created.uuid}"] button`).click();
  await a.fill("edit-interaction", "summary", "Lunch in Florence, and forty lamps");
  await a.submit("edit-interaction");
  await b.shows("interactions", "and forty lamps");
  await b.screenshot("contact");

  // A contact who no longer takes part gets this event too.
  await demo.call("PATCH", `interactions/${created.uuid}`, { parties: [] });
  await b.hides("interactions", "Lunch in Florence");
  untouched(b);
});

test("after a power cut of the server both windows show what changed while they were away", async () => {
  const person = await find("people", "Rafael Duarte");
  const [a, b] = await twoWindows(`#/people/${person.uuid}`, "#/people");
  await b.shows("people", "Buyer");
  await demo.kill();
  await Promise.all([a.lost(), b.lost()]);
  await demo.changeWhileAway((run) => run.call("PATCH", `people/${person.uuid}`, { role: "Head of supply" }));
  await demo.restart();
  await Promise.all([a.live(), b.live()]);
  await Promise.all([a.shows("value-role", "Head of supply"), b.shows("people", "Head of supply")]);
  await Promise.all([a, b].map((window) => window.shows("view-heard", "Events may have been missed")));
  await a.screenshot("recovered");

  await demo.call("PATCH", `people/${person.uuid}`, { role: "Head of everything" });
  await Promise.all([a.shows("value-role", "Head of everything"), b.shows("people", "Head of everything")]);
  untouched(a);
  untouched(b);
});

test("a window that was frozen shows the changes since, and loads nothing if there are none", async () => {
  const person = await find("people", "Rafael Duarte");
  const [a] = await twoWindows(`#/people/${person.uuid}`, "#/people");
  await a.shows("value-role", "Buyer");
  const loads = a.loads();
  await a.freeze();
  await a.thaw();
  await a.shows("view-heard", "Nothing was missed");
  assert.equal(loads.count, 0);

  await a.freeze();
  await demo.call("PATCH", `people/${person.uuid}`, { role: "Head of supply" });
  await a.thaw();
  await a.shows("value-role", "Head of supply");
  await a.screenshot("resumed");
  untouched(a);
});

test("a page from the browser's back/forward cache is live again", async () => {
  const person = await find("people", "Rafael Duarte");
  const [a] = await twoWindows(`#/people/${person.uuid}`, "#/people");
  await a.shows("value-role", "Buyer");
  await a.page.evaluate(() => {
    globalThis.isTheSame = true;
  });
  await a.page.goto("about:blank");
  await demo.call("PATCH", `people/${person.uuid}`, { role: "Head of supply" });
  await a.page.goBack({ waitUntil: [] }).catch(() => {});
  await a.shows("value-role", "Head of supply");
  await a.shows("view-heard", "Nothing was missed");
  assert.equal(await a.page.evaluate(() => globalThis.isTheSame), true, "it came out of the cache");
});

test("a box ticked in one window is ticked in the other, and the first window loads nothing", async () => {
  const project = await find("projects", "Lamp 3");
  const [a, b] = await twoWindows(`#/projects/${project.uuid}`);
  const box = '::-p-aria(Build a prototype is done[role="checkbox"])';
  await a.page.waitForSelector(box);
  const loads = a.loads();
  await a.page.locator(box).click();
  await b.page.waitForSelector(`${box}:checked`);
  await a.shows("view-heard", "Your change");
  assert.equal(loads.count, 0);
  await a.screenshot("own");

  // The stored data now differs from what the first window shows by itself.
  const { assignments } = await demo.call("GET", `projects/${project.uuid}`);
  const { uuid } = assignments.find(({ title }) => title === "Build a prototype");
  await demo.call("PATCH", `assignments/${uuid}`, { is_done: false });
  await a.page.waitForSelector(`${box}:not(:checked)`);
});

test("a box that is ticked and unticked while the first request is slow shows the stored value", async () => {
  const { uuid } = await find("projects", "Lamp 3");
  const [a] = await twoWindows(`#/projects/${uuid}`, "#/people");
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
  await a.shows("view-heard", "Your change");
  const answered = a.page.waitForResponse((response) => response.request() === slow);
  slow.continue();
  await answered;
  const { assignments } = await demo.call("GET", `projects/${uuid}`);
  const stored = assignments.find(({ title }) => title === "Build a prototype").is_done;
  assert.equal(stored, true);
  await a.page.waitForSelector(`${box}:checked`);
});

test("a box that could not be ticked shows the stored value", async () => {
  const project = await find("projects", "Lamp 3");
  const [a] = await twoWindows(`#/projects/${project.uuid}`);
  const box = '::-p-aria(Build a prototype is done[role="checkbox"])';
  await a.page.waitForSelector(box);
  await demo.kill();
  await a.lost();
  await a.page.locator(box).click();
  await a.shows("toasts", "cannot be reached");
  await demo.restart();
  await a.page.waitForSelector(`${box}:not(:checked)`);
});

test("after a burst of writes both windows equal the store, with fewer loads than writes", async () => {
  const people = await demo.call("GET", "people");
  const [a, b] = await twoWindows("#/people");
  await Promise.all([a.shows("people", "Buyer"), b.shows("people", "Buyer")]);
  const loads = a.loads();
  const writes = 200;
  const write = (n) => demo.call("PATCH", `people/${people[n % people.length].uuid}`, { role: `Role ${n}` });
  await Promise.all(Array.from({ length: writes }, (_, n) => write(n)));

  const stored = (await demo.call("GET", "people")).map(({ name, role }) => `${name}: ${role}`);
  const shown = (wanted) => {
    const rows = [...document.querySelectorAll('[data-testid="people"] tbody tr')];
    const texts = rows.map(({ cells }) => `${cells[0].textContent}: ${cells[1].textContent}`);
    return JSON.stringify(texts) === wanted;
  };
  await Promise.all([a, b].map(({ page }) => page.waitForFunction(shown, {}, JSON.stringify(stored))));
  assert.ok(loads.count < writes / 2, `${loads.count} loads for ${writes} writes`);
});

test("text that looks like HTML is shown as it was typed", async () => {
  const evil = '<img src=x onerror="document.title=1">';
  const person = await find("people", "Noor van Dijk");
  const [a, b] = await twoWindows(`#/people/${person.uuid}`, "#/people");
  await a.click("edit");
  await a.fill("edit-form", "name", evil);
  await a.submit("edit-form");
  await Promise.all([a.shows("title", evil), b.shows("people", evil)]);
  for (const window of [a, b]) assert.equal(await window.page.$("main img"), null);
});

test("the feed shows each event once, with its topics, its origin and its position", async () => {
  const person = await find("people", "Amara Okafor");
  const [a, b] = await twoWindows(`#/people/${person.uuid}`);
  await a.click("edit");
  await a.fill("edit-form", "role", "Chief engineer");
  await a.submit("edit-form");
  const entry = async (window) => {
    await window.shows("feed", "person updated");
    const entries = await window.page.$$eval('[data-testid="feed"] > li', (all) =>
      all.map((one) => ({
        event: one.dataset.event,
        own: one.dataset.own,
        topics: [...one.querySelectorAll(".topics li")].map((topic) => topic.textContent).sort(),
        position: one.querySelector(".position").textContent,
      })),
    );
    assert.equal(entries.length, 1);
    return entries[0];
  };
  const [own, other] = [await entry(a), await entry(b)];
  assert.deepEqual(own, { ...other, own: "true" }, "but for whose it was, both windows got the same");
  assert.equal(other.own, "false");
  assert.deepEqual(own.topics, ["staff:people", `staff:person:${person.uuid}`]);
  assert.notEqual(own.position, "");
  await b.shows("latency", "ms");
  await b.shows("announcer", "In another window: staff, person updated");
});

test("a form keeps its input when another window changes the record, and offers the change", async () => {
  const person = await find("people", "Tomasz Wójcik");
  const [a] = await twoWindows(`#/people/${person.uuid}`);
  await a.click("edit");
  await a.fill("edit-form", "role", "Typed by hand");
  await demo.call("PATCH", `people/${person.uuid}`, { role: "From elsewhere", email: "new@example.com" });
  await a.shows("newer", "Role");
  await a.screenshot("offer");
  const value = (field) => a.page.$eval(`[data-testid="field-${field}"]`, (input) => input.value);
  assert.equal(await value("role"), "Typed by hand", "the typed text is still there");
  assert.equal(await value("email"), "new@example.com", "the untouched field is up to date");
  await a.click("newer-take");
  assert.equal(await value("role"), "From elsewhere");
});

test("a record deleted in one window disappears in the other, which says so", async () => {
  const task = await find("tasks", "Release");
  const [a, b] = await twoWindows(`#/tasks/${task.uuid}`);
  await b.shows("title", "Release");
  await a.click("delete");
  await a.click("confirm-yes");
  await b.shows("view-problem", "does not exist any more");
  await a.hides("tasks", "Release");
});

test("a form that is sent while the server is away keeps its input, and succeeds when the server is back", async () => {
  const [a, b] = await twoWindows("#/people");
  await a.click("add-person-open");
  await a.fill("add-person", "name", "Persistent Pia");
  await demo.kill();
  await a.lost();
  await a.submit("add-person");
  await a.shows("fault", "cannot be reached");
  assert.equal(await a.page.$eval('[data-testid="field-name"]', (input) => input.value), "Persistent Pia");
  await demo.restart();
  await a.live();
  await a.submit("add-person");
  await b.shows("people", "Persistent Pia");
});

test("a refused value is explained, and its field gets the focus", async () => {
  const [a] = await twoWindows("#/people");
  await a.click("add-person-open");
  // Without the page's own bound, the API refuses the value.
  await a.page.$eval('[data-testid="field-name"]', (input) => input.removeAttribute("maxlength"));
  await a.fill("add-person", "name", "x".repeat(121));
  await a.submit("add-person");
  await a.shows("fault", "1 to 120 characters");
  const focused = await a.page.$eval(":focus", (input) => [input.name, input.ariaInvalid]);
  assert.deepEqual(focused, ["name", "true"]);
});

test("the page works with the keyboard alone", async () => {
  const [a, b] = await twoWindows("#/departments");
  const { keyboard } = a.page;
  const opener = await a.page.waitForSelector('[data-testid="add-department-open"]', { visible: true });
  await opener.focus();
  await keyboard.press("Enter");
  await keyboard.press("Tab");
  await keyboard.type("Finance");
  await keyboard.press("Enter");
  await b.shows("departments", "Finance");
  const outline = await a.page.$eval(":focus", (element) => getComputedStyle(element).outlineStyle);
  assert.notEqual(outline, "none", "one sees where the focus is");
});

test("the page keeps the rules of axe for contrast, names, labels and headings, in light and in dark", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");
  const person = await find("people", "Mei Tanaka");
  const project = await find("projects", "Lamp 3");
  const [a] = await twoWindows("#/people");
  await a.page.evaluate(axe);
  const rules = ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"];
  for (const scheme of ["light", "dark"]) {
    await a.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    const [edit, add] = ["edit", "add-link-open"];
    const views = { [`people/${person.uuid}`]: edit, [`projects/${project.uuid}`]: edit, links: add };
    for (const [view, opener] of Object.entries(views)) {
      await a.visit(`#/${view}`);
      await a.click(opener);
      const broken = await a.page.evaluate(async (runOnly) => {
        const { violations, passes } = await globalThis.axe.run({ runOnly });
        if (passes.length < 20) return ["axe has looked at next to nothing"];
        return violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)].join("\n"));
      }, rules);
      assert.deepEqual(broken, [], `${view} in ${scheme}`);
    }
  }
});

test("measures the time of an event from the POST to the tab", async (t) => {
  const person = await find("people", "Mei Tanaka");
  const [a] = await twoWindows(`#/people/${person.uuid}`);
  await a.shows("value-role", "Electronics engineer");
  const runs = 30;
  const shown = [];
  for (let run = 0; run < runs; run++) {
    // One clock measures both ends: this page sends the request, and waits for its own next change.
    shown.push(
      await a.page.evaluate(
        async (uuid, role) => {
          const { promise, resolve } = Promise.withResolvers();
          const value = document.querySelector('[data-testid="value-role"]');
          const feed = document.querySelector('[data-testid="feed"]');
          const times = {};
          const before = feed.childElementCount;
          const observer = new MutationObserver(() => {
            if (feed.childElementCount > before) times.event ??= performance.now() - start;
            if (value.textContent === role) resolve({ ...times, shown: performance.now() - start });
          });
          const all = { characterData: true, childList: true, subtree: true };
          for (const element of [value, feed]) observer.observe(element, all);
          const start = performance.now();
          await fetch(`/api/people/${uuid}`, {
            method: "PATCH",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ role }),
          });
          const result = await promise;
          observer.disconnect();
          return result;
        },
        person.uuid,
        `Engineer ${run}`,
      ),
    );
  }
  const median = (list) => list.toSorted((x, y) => x - y)[Math.floor(list.length / 2)].toFixed(1);
  t.diagnostic(
    `POST to the event in the tab: first ${shown[0].event.toFixed(1)} ms, median ${median(shown.map((s) => s.event))} ms`,
  );
  t.diagnostic(
    `POST to the new value on the page: first ${shown[0].shown.toFixed(1)} ms, median ${median(shown.map((s) => s.shown))} ms, worst ${Math.max(...shown.map((s) => s.shown)).toFixed(1)} ms`,
  );
});
