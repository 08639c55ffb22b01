// `tidings/testing` in Vitest with jsdom, in a project that has the packed package.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { unpack } from "./unpack.js";

/** Makes a folder with the packed package and these other packages. */
function project(t, ...packages) {
  const folder = unpack(t);
  const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
  for (const name of packages) {
    assert.ok(existsSync(join(modules, name)), `${name} is not installed: run \`cargo xtask setup\``);
    symlinkSync(join(modules, name), join(folder, "node_modules", name));
  }
  return folder;
}

test("components are tested without a server and without a WebSocket", { timeout: 60_000 }, async (t) => {
  const folder = project(t, "vitest", "jsdom", "react", "react-dom", "@testing-library");
  cpSync(fileURLToPath(new URL("components", import.meta.url)), folder, { recursive: true });
  const vitest = join(folder, "node_modules/vitest/vitest.mjs");
  const env = { ...process.env, NO_COLOR: "1" };
  const options = ["run", "--root", folder, "--environment", "jsdom"];
  const run = promisify(execFile)(process.execPath, [vitest, ...options], { cwd: folder, env });
  const { stdout } = await run.catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
  assert.match(stdout, /Tests +51 passed/);
});
