// The real demo binary, on a port and data of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../../www/dist", import.meta.url));

/** One run of the binary. */
class Run {
  static async start(data, port) {
    const binary = process.env.TIDINGS_DEMO_BIN;
    if (!binary)
      throw new Error("TIDINGS_DEMO_BIN is not set: run `cargo xtask test browser`, which builds the demo");
    const args = ["--listen", `127.0.0.1:${port}`, "--data", data, "--dist", DIST];
    const child = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
    const listening = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const url = /^listening on (.*)$/.exec(line)?.[1];
        if (url) resolve(url);
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the demo ended with code ${code} before it listened`)));
    });
    return new Run(child, await listening);
  }

  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  async end(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    await ended;
  }

  async call(method, path, body) {
    const answer = await fetch(`${this.url}/api/${path}`, {
      method,
      ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }
}

/** A demo with new data, which keeps its address and data through crashes. */
export class Demo {
  static async start() {
    const folder = await mkdtemp(join(tmpdir(), "tidings-demo-"));
    return new Demo(folder, await Run.start(join(folder, "demo.sqlite"), 0));
  }

  constructor(folder, run) {
    this.folder = folder;
    this.run = run;
    this.url = run.url;
  }

  /** Asks the API, as another program would. */
  call(method, path, body) {
    return this.run.call(method, path, body);
  }

  /** As a power cut would: nothing is flushed, closed or said. */
  kill() {
    return this.run.end("SIGKILL");
  }

  async restart() {
    this.run = await Run.start(join(this.folder, "demo.sqlite"), new URL(this.url).port);
  }

  /** Changes the data while nobody serves this address: through another process, at another one. */
  async changeWhileAway(change) {
    const run = await Run.start(join(this.folder, "demo.sqlite"), 0);
    await change(run);
    await run.end("SIGTERM");
  }

  async stop() {
    await this.run.end("SIGTERM");
    await rm(this.folder, { recursive: true, force: true });
  }
}
