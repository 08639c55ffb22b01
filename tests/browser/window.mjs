// A browser, its windows, and what a person does in them: nothing here waits for time to pass, only for the page.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const SCREENSHOTS = fileURLToPath(new URL("screenshots", import.meta.url));

/** For a condition to come true; a page that needs longer is broken. */
const PATIENCE_MS = 15_000;

/** As root in a container, and without the many things that a browser looks for on the network. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

export const launch = () =>
  puppeteer.launch({
    executablePath: process.env.CHROME ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
  });

const testid = (name) => `[data-testid="${name}"]`;

/** A window with cookies and storage of its own, showing a view of the demo. */
export class Window {
  static async open(browser, url, hash) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.setViewport({ width: 1360, height: 900 });
    const window = new Window(context, page, url);
    page.on("pageerror", (error) => window.faults.push(String(error)));
    page.on("console", (message) => {
      // That a server was away or a record gone is reported too, and meant to happen.
      const meant = /^Failed to load resource|^WebSocket connection to/.test(message.text());
      if (message.type() === "error" && !meant) window.faults.push(message.text());
    });
    // Counts the documents that this window has loaded: a test that says "untouched" looks at it.
    page.on("domcontentloaded", () => window.documents++);
    await page.goto(`${url}/${hash}`);
    await window.live();
    return window;
  }

  /** What went wrong in the page: uncaught errors, refused scripts. */
  faults = [];
  documents = 0;

  constructor(context, page, url) {
    this.context = context;
    this.page = page;
    this.url = url;
  }

  /** Until the connection's state is the one that events arrive in. */
  live() {
    return this.page.waitForSelector(`${testid("status")}[data-status="open"]`);
  }

  /** Until the connection is known to be lost. */
  lost() {
    return this.page.waitForSelector(`${testid("status")}:not([data-status="open"])`);
  }

  /** Goes to another view, as a click on a link would. */
  async visit(hash) {
    await this.page.evaluate((to) => {
      location.hash = to;
    }, hash);
    await this.page.waitForSelector("main h1:not(:empty)");
  }

  click(name, inside = "") {
    return this.page.locator(`${inside} ${testid(name)}`).click();
  }

  async fill(form, field, value) {
    const selector = `${testid(form)} ${testid(`field-${field}`)}`;
    await this.page.waitForSelector(selector, { visible: true });
    await this.page.$eval(selector, (input) => input.select?.());
    await this.page.type(selector, value);
  }

  /** Chooses what a select offers under this label, once it does. */
  async choose(form, field, label) {
    const selector = `${testid(form)} ${testid(`field-${field}`)}`;
    const handle = await this.page.waitForFunction(
      (css, text) =>
        [...document.querySelectorAll(`${css} option`)].find((o) => o.textContent === text)?.value,
      {},
      selector,
      label,
    );
    await this.page.select(selector, await handle.jsonValue());
  }

  submit(form) {
    return this.click(`${form}-submit`);
  }

  /** Until an element shows this text. */
  async shows(name, text) {
    const seen = (css, wanted) =>
      [...document.querySelectorAll(css)].some((e) => e.textContent.includes(wanted));
    try {
      // Not by frames, which a window that was thawed behind another one does not draw.
      await this.page.waitForFunction(seen, { polling: "mutation" }, testid(name), text);
    } catch (error) {
      const found = await this.page.$$eval(testid(name), (all) => all.map((e) => e.textContent));
      throw new Error(`[${name}] never showed ${JSON.stringify(text)}, but ${JSON.stringify(found)}`, {
        cause: error,
      });
    }
  }

  /** Until an element no longer shows this text. */
  async hides(name, text) {
    const gone = (css, unwanted) =>
      ![...document.querySelectorAll(css)].some((e) => e.textContent.includes(unwanted));
    await this.page.waitForFunction(gone, {}, testid(name), text);
  }

  /** Counts what the window loads of the API from now on. */
  loads() {
    const loads = { count: 0 };
    this.page.on("request", (request) => {
      if (request.method() === "GET" && request.url().includes("/api/")) loads.count++;
    });
    return loads;
  }

  /** As a browser does with a tab that nobody has looked at for long. */
  async freeze() {
    await this.#lifecycle("frozen");
  }

  async thaw() {
    await this.#lifecycle("active");
  }

  async #lifecycle(state) {
    this.devtools ??= await this.page.createCDPSession();
    await this.devtools.send("Page.setWebLifecycleState", { state });
  }

  async screenshot(name) {
    await mkdir(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }

  close() {
    return this.context.close();
  }
}
