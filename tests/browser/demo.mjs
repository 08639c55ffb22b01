// The real demo, with its own port and data.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child } from "./child.mjs";

const DIST = fileURLToPath(new URL("../../www/dist", import.meta.url));

/** One process of the demo. */
class Run {
  static async start(data, port) {
    const binary = process.env.TIDINGS_DEMO_BIN;
    if (!binary)
      throw new Error("TIDINGS_DEMO_BIN is not set: run `cargo xtask test browser`, which builds the demo");
    const args = ["--listen", `127.0.0.1:${port}`, "--data", data, "--dist", DIST];
    return new Run(await Child.start("the demo", binary, args));
  }

  constructor(child) {
    this.child = child;
    this.url = child.url;
  }

  end(signal) {
    return this.child.end(signal);
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

/** A demo with new data. It keeps its address and data when it crashes. */
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

  /** Calls the API, as another program would. */
  call(method, path, body) {
    return this.run.call(method, path, body);
  }

  /** Ends the process as a power cut would, without a flush or a close. */
  kill() {
    return this.run.end("SIGKILL");
  }

  async restart() {
    this.run = await Run.start(join(this.folder, "demo.sqlite"), new URL(this.url).port);
  }

  /** Changes the data while nothing serves this address: through another process, at another address. */
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
