// The real demo binary, on a port and data of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../../www/dist", import.meta.url));

/** Starts the demo with new data. `kill` and `restart` keep its port and data, as a crash and its repair would. */
export async function startDemo() {
  const binary = process.env.TIDINGS_DEMO_BIN;
  if (!binary)
    throw new Error("TIDINGS_DEMO_BIN is not set: run `cargo xtask test browser`, which builds the demo");
  const folder = await mkdtemp(join(tmpdir(), "tidings-demo-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let process_;

  const start = async () => {
    const args = ["--listen", `127.0.0.1:${port}`, "--data", join(folder, "demo.sqlite"), "--dist", DIST];
    process_ = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(process_, "exit").then(([code]) => {
      throw new Error(`the demo ended with code ${code} before it listened`);
    });
    ended.catch(() => {});
    const lines = createInterface({ input: process_.stdout });
    const listening = (async () => {
      for await (const line of lines) if (line === `listening on ${url}`) return;
    })();
    await Promise.race([listening, ended]);
  };
  const end = async (signal) => {
    if (process_.exitCode !== null || process_.signalCode !== null) return;
    const ended = once(process_, "exit");
    process_.kill(signal);
    await ended;
  };

  await start();
  return {
    url,
    /** As a power cut would: nothing is flushed, closed or said. */
    kill: () => end("SIGKILL"),
    restart: start,
    async stop() {
      await end("SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
    async call(method, path, body, headers = {}) {
      const answer = await fetch(`${url}/api/${path}`, {
        method,
        headers: { ...(body && { "Content-Type": "application/json" }), ...headers },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text ? JSON.parse(text) : undefined;
    },
  };
}

/** A restart has to find its old port again, so it is chosen here and not by the demo. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
