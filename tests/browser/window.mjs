// A browser, its windows, and the actions of a person. Everything waits for the page, and nothing for a time.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const SCREENSHOTS = fileURLToPath(new URL("screenshots", import.meta.url));

/** How long to wait for a condition. A page that needs longer is broken. */
const PATIENCE_MS = 15_000;

/** How often the page is asked for a text. */
const POLLING_MS = 20;

/** For root in a container, and without the requests that a browser makes by itself. */
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

/** A window with its own cookies and storage. It shows a view of the demo. */
export class Window {
  static async open(browser, url, hash) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.setViewport({ width: 1360, height: 900 });
    const window = new Window(context, page, url);
    page.on("pageerror", (error) => window.faults.push(String(error)));
    page.on("console", (message) => {
      // The tests take the server away and delete records, so these messages are expected.
      const meant = /^Failed to load resource|^WebSocket connection to/.test(message.text());
      if (message.type() === "error" && !meant) window.faults.push(message.text());
    });
    // Counts the documents that this window has loaded, for tests that forbid a reload.
    page.on("domcontentloaded", () => window.documents++);
    await page.goto(`${url}/${hash}`);
    await window.live();
    return window;
  }

  /** Uncaught errors and refused scripts of the page. */
  faults = [];
  documents = 0;

  constructor(context, page, url) {
    this.context = context;
    this.page = page;
    this.url = url;
  }

  /** Waits until the connection is open. */
  live() {
    return this.page.waitForSelector(`${testid("status")}[data-status="open"]`);
  }

  /** Waits until the page knows that the connection is lost. */
  lost() {
    return this.page.waitForSelector(`${testid("status")}:not([data-status="open"])`);
  }

  /** Goes to another view, as a click on a link does. */
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

  /** Chooses the option with this label, once the select has it. */
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

  /** Waits until an element shows this text. */
  async shows(name, text) {
    const seen = (css, wanted) =>
      [...document.querySelectorAll(css)].some((e) => e.textContent.includes(wanted));
    try {
      // Not by animation frames: a window that was thawed behind another one has none. Not by puppeteer's mutations: they
      // do not tell of a text that changes in place.
      await this.page.waitForFunction(seen, { polling: POLLING_MS }, testid(name), text);
    } catch (error) {
      const found = await this.page.$$eval(testid(name), (all) => all.map((e) => e.textContent));
      throw new Error(`[${name}] never showed ${JSON.stringify(text)}, but ${JSON.stringify(found)}`, {
        cause: error,
      });
    }
  }

  /** Waits until no element shows this text. */
  async hides(name, text) {
    const gone = (css, unwanted) =>
      ![...document.querySelectorAll(css)].some((e) => e.textContent.includes(unwanted));
    await this.page.waitForFunction(gone, {}, testid(name), text);
  }

  /** Counts the requests to the API from now on. */
  loads() {
    const loads = { count: 0 };
    this.page.on("request", (request) => {
      if (request.method() === "GET" && request.url().includes("/api/")) loads.count++;
    });
    return loads;
  }

  /** Freezes the page, as a browser does with a tab in the background. */
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
