// The real demo, with its own port and data.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
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
    // `sqlite3` reads it in the home folder. Without it, a command fails while the server writes.
    await writeFile(join(folder, ".sqliterc"), ".timeout 15000\n");
    return new Demo(folder, await Run.start(join(folder, "demo.sqlite"), 0));
  }

  constructor(folder, run) {
    this.folder = folder;
    this.file = join(folder, "demo.sqlite");
    this.run = run;
    this.url = run.url;
  }

  /** Calls the API, as another program would. */
  call(method, path, body) {
    return this.run.call(method, path, body);
  }

  /** Runs a command as a person does in a terminal. */
  async terminal(command) {
    await promisify(execFile)("sh", ["-c", command], { env: { ...process.env, HOME: this.folder } });
  }

  /** Writes to the database in another process, without the server. */
  sql(statements) {
    return this.terminal(`sqlite3 -bail ${this.file} <<'END'\n${statements}\nEND`);
  }

  /** Ends the process as a power cut would, without a flush or a close. */
  kill() {
    return this.run.end("SIGKILL");
  }

  async restart() {
    this.run = await Run.start(this.file, new URL(this.url).port);
  }

  /** Changes the data while nothing serves this address: through another process, at another address. */
  async changeWhileAway(change) {
    const run = await Run.start(this.file, 0);
    await change(run);
    await run.end("SIGTERM");
  }

  async stop() {
    await this.run.end("SIGTERM");
    await rm(this.folder, { recursive: true, force: true });
  }
}
