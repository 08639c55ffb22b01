// A WebDriver client: the few commands of the W3C's protocol that the tests use, as HTTP requests with JSON.
//
// selenium-webdriver could send them too. But it needs Node.js 22, where the other tests run with 20, and brings 23 MB of
// programs that look for drivers. Puppeteer does not know WebKitGTK.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Milliseconds in which a driver must answer after its start. */
const START_MS = 20_000;

/** Milliseconds in which an answer to one command must come. A browser's start is one command. */
const COMMAND_MS = 60_000;

/** How often another port is tried if a driver ends at once: the free port may have been taken meanwhile. */
const MAX_STARTS = 3;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A driver and the browser that it started. */
export class Browser {
  /** Starts the driver, then the browser. `program` gives the driver's command line for a port. */
  static async start({ name, program, capabilities, env = {} }) {
    for (let starts = 1; ; starts++) {
      const port = await freePort();
      const [command, ...args] = program(port);
      const log = [];
      const driver = spawn(command, args, {
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      for (const stream of [driver.stdout, driver.stderr])
        stream.on("data", (text) => log.push(String(text)) > 200 && log.shift());
      const failed = new Promise((_, reject) => driver.once("error", reject));
      failed.catch(() => {});
      const browser = new Browser(name, driver, `http://127.0.0.1:${port}`, log);
      try {
        await Promise.race([browser.#answers(), failed]);
        const capability = { alwaysMatch: { ...capabilities, timeouts: { script: COMMAND_MS / 2 } } };
        const session = await browser.#request("POST", "/session", { capabilities: capability });
        browser.session = `/session/${session.sessionId}`;
        // Not all drivers end their browser when they are killed.
        const { capabilities: told } = session;
        browser.pid = told["goog:processID"] ?? told["moz:processID"];
        browser.version = `${session.capabilities.browserName} ${session.capabilities.browserVersion}`;
        return browser;
      } catch (cause) {
        const mayBePort = driver.exitCode !== null && starts < MAX_STARTS;
        await browser.close();
        if (!mayBePort)
          throw new Error(`${name} did not start with ${command}: ${cause.message}\n${log.join("")}`, {
            cause,
          });
      }
    }
  }

  constructor(name, driver, url, log) {
    this.name = name;
    this.driver = driver;
    this.url = url;
    this.log = log;
    this.ended = once(driver, "exit").catch(() => {});
    this.kill = () => {
      driver.kill("SIGTERM");
      if (this.pid) process.kill(this.pid, "SIGKILL");
    };
    process.once("exit", this.kill);
  }

  async #answers() {
    const end = Date.now() + START_MS;
    while (Date.now() < end && this.driver.exitCode === null) {
      if (await this.#request("GET", "/status").catch(() => undefined)) return;
      await pause(50);
    }
    throw new Error(`the driver did not answer within ${START_MS / 1000} s`);
  }

  async #request(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(COMMAND_MS),
    });
    const { value } = await answer.json();
    if (!answer.ok)
      throw new Error(`${this.name}: ${path.split("/").at(-1)}: ${value.error}: ${value.message}`);
    return value;
  }

  /** Sends a command of the session. */
  command(method, path, body) {
    return this.#request(method, this.session + path, body);
  }

  /** The window in which the browser started. */
  async first() {
    const handle = await this.command("GET", "/window");
    this.current = handle;
    return new Window(this, handle);
  }

  /** Opens another window. */
  async open() {
    const { handle } = await this.command("POST", "/window/new", { type: "window" });
    return new Window(this, handle);
  }

  async close() {
    if (this.session) await this.#request("DELETE", this.session).catch(() => {});
    process.removeListener("exit", this.kill);
    if (this.driver.exitCode === null && this.driver.pid) {
      this.driver.kill("SIGTERM");
      await this.ended;
    }
  }
}

/** A window of a browser. */
export class Window {
  constructor(browser, handle) {
    this.browser = browser;
    this.handle = handle;
  }

  /** Sends a command for this window. */
  async command(method, path, body) {
    const { browser } = this;
    if (browser.current !== this.handle) await browser.command("POST", "/window", { handle: this.handle });
    browser.current = this.handle;
    return browser.command(method, path, body);
  }

  goto(url) {
    return this.command("POST", "/url", { url });
  }

  back() {
    return this.command("POST", "/back", {});
  }

  /** Runs a script and returns what it returns. */
  evaluate(script, ...args) {
    return this.command("POST", "/execute/sync", { script, args });
  }

  /** Calls `window.page[name]` and waits for its promise. A rejection throws. */
  async call(name, ...args) {
    // WebKit's driver does not wait for the page's module.
    const script = `const [name, args, done] = arguments;
      const isLoaded = (then) => (window.page ? then() : setTimeout(isLoaded, 10, then));
      new Promise(isLoaded).then(() => window.page[name](...args)).then(
        (value) => done({ value: value ?? null }),
        (error) => done({ error: { code: error.code, message: String(error.message) } }),
      );`;
    const { value, error } = await this.command("POST", "/execute/async", { script, args: [name, args] });
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return value;
  }

  async close() {
    await this.command("DELETE", "/window");
    this.browser.current = undefined;
  }
}
