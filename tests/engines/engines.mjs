// The three engines: how each is started, and what its driver can do with the page's life.

import { spawn } from "node:child_process";
import { Browser } from "./webdriver.mjs";

/** Milliseconds in which the display must be there. */
const DISPLAY_MS = 10_000;

/** The path of a program, which `cargo xtask test engines` finds. */
function program(variable) {
  const path = process.env[variable];
  if (!path)
    throw new Error(`${variable} is not set: run \`cargo xtask test engines\`, which finds the engines`);
  return path;
}

/**
 * Each engine starts a browser. `cannot` says why a test is skipped. `retriesModules`: after a failed `import()`, the next
 * one asks for the file again. By the HTML standard it fails at once.
 */
export const ENGINES = {
  chromium: {
    cannot: {},
    retriesModules: true,
    start: () =>
      Browser.start({
        name: "Chromium",
        program: (port) => [program("CHROMEDRIVER"), `--port=${port}`],
        capabilities: {
          "goog:chromeOptions": {
            binary: program("CHROME"),
            args: [
              "--headless=new",
              // For root in a container.
              "--no-sandbox",
              "--disable-dev-shm-usage",
              "--disable-gpu",
              // Without the requests that a browser makes by itself.
              "--no-first-run",
              "--disable-background-networking",
              "--disable-component-update",
              "--disable-sync",
            ],
          },
        },
      }),
    setOnline: (window, isOnline) =>
      devtools(window, "Network.emulateNetworkConditions", {
        offline: !isOnline,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: -1,
      }),
    setFrozen: (window, isFrozen) =>
      devtools(window, "Page.setWebLifecycleState", { state: isFrozen ? "frozen" : "active" }),
  },

  firefox: {
    cannot: {
      cache: "Firefox keeps no page with an open WebSocket in its cache: it loads the page anew",
      freeze: "Firefox has no event `freeze`",
    },
    retriesModules: false,
    start: () =>
      Browser.start({
        name: "Firefox",
        // `--allow-system-access` lets the tests set Firefox offline.
        program: (port) => [
          program("GECKODRIVER"),
          "--port",
          port,
          "--websocket-port",
          "0",
          "--allow-system-access",
        ],
        capabilities: {
          "moz:firefoxOptions": {
            binary: program("FIREFOX"),
            args: ["-headless"],
            // Without the requests that a browser makes by itself.
            prefs: {
              "app.normandy.enabled": false,
              "services.settings.server": "data:,#remote-settings-dummy/v1",
            },
          },
        },
      }),
    async setOnline(window, isOnline) {
      await window.command("POST", "/moz/context", { context: "chrome" });
      await window.evaluate(`Services.io.offline = ${!isOnline}`);
      await window.command("POST", "/moz/context", { context: "content" });
    },
  },

  webkit: {
    cannot: {
      freeze: "WebKit has no event `freeze`",
      offline: "the driver of WebKitGTK cannot take the network away, so `navigator.onLine` stays true",
    },
    retriesModules: true,
    async start() {
      const display = await Display.start();
      const browser = await Browser.start({
        name: "WebKit",
        program: (port) => [program("WEBKIT_DRIVER"), `--port=${port}`],
        // A session bus and the desktop's portals are missing in a container, and nothing here needs them.
        env: { DISPLAY: display.name, GDK_BACKEND: "x11", NO_AT_BRIDGE: "1" },
        capabilities: {
          "webkitgtk:browserOptions": { binary: program("MINIBROWSER"), args: ["--automation"] },
        },
      }).catch((error) => {
        display.stop();
        throw error;
      });
      browser.ended.then(() => display.stop());
      return browser;
    },
    /** Only the page's event, without a change of the network. */
    setOnline: (window, isOnline) =>
      window.evaluate(`window.dispatchEvent(new Event("${isOnline ? "online" : "offline"}"))`),
  },
};

const devtools = (window, cmd, params) => window.command("POST", "/goog/cdp/execute", { cmd, params });

/** An X server without a screen, because WebKitGTK has no headless mode. */
class Display {
  static async start() {
    // It chooses a free display and writes its number to descriptor 3.
    const server = spawn(
      program("XVFB"),
      ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
      {
        stdio: ["ignore", "ignore", "pipe", "pipe"],
      },
    );
    let said = "";
    server.stderr.on("data", (text) => {
      said += text;
    });
    const number = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Xvfb did not start: ${said}`)), DISPLAY_MS);
      server.stdio[3].once("data", (text) => {
        clearTimeout(late);
        resolve(String(text).trim());
      });
      server.once("error", reject);
      server.once("exit", (code) => reject(new Error(`Xvfb ended with ${code}: ${said}`)));
    });
    return new Display(server, `:${number}`);
  }

  constructor(server, name) {
    this.server = server;
    this.name = name;
    this.stop = () => server.kill("SIGTERM");
    process.once("exit", this.stop);
  }
}
