// A server process of a test. It prints its address, and ends with the test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export class Child {
  /** Starts a program and waits until it listens. A failure calls it `name`. */
  static async start(name, binary, args, options = {}) {
    const child = spawn(binary, args, { ...options, stdio: ["ignore", "pipe", "inherit"] });
    const listening = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const url = /^listening on (.*)$/.exec(line)?.[1];
        if (url) resolve(url);
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`${name} ended with code ${code} before it listened`)));
    });
    return new Child(child, await listening);
  }

  constructor(child, url) {
    this.child = child;
    this.url = url;
    this.ended = once(child, "exit");
    // If the tests are ended before they have ended this.
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.removeListener("exit", kill));
  }

  /** Sends a signal and waits until the process has ended. */
  async end(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await this.ended;
  }
}
