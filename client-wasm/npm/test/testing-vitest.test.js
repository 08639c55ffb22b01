// `tidings/testing` in Vitest with jsdom, in a project that has the packed package.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { unpack } from "./unpack.js";

/** Milliseconds after which a test has hung. */
const timeout = 60_000;

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

/** Runs the tests of a folder in Vitest. */
async function runTests(folder) {
  const vitest = join(folder, "node_modules/vitest/vitest.mjs");
  const env = { ...process.env, NO_COLOR: "1" };
  const options = ["run", "--root", folder, "--environment", "jsdom", "--testTimeout", "20000"];
  const run = promisify(execFile)(process.execPath, [vitest, ...options], { cwd: folder, env });
  const { stdout } = await run.catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
  return stdout;
}

const PACKAGES = ["vitest", "jsdom", "react", "react-dom", "@testing-library", "@types"];

test("components are tested without a server and without a WebSocket", { timeout }, async (t) => {
  const folder = project(t, ...PACKAGES);
  cpSync(fileURLToPath(new URL("components", import.meta.url)), folder, { recursive: true });
  assert.match(await runTests(folder), /Tests +51 passed/);
});

test("the README's components compile, and their tests pass", { timeout }, async (t) => {
  const folder = project(t, ...PACKAGES, "@tanstack", "typescript");
  const readme = readFileSync(join(folder, "node_modules/tidings/README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```tsx\n(?:\/\/ (\S+\.tsx)\n)?(.*?)^```$/gms)];
  for (const [index, [, name = `block_${index}.tsx`, code]] of blocks.entries())
    writeFileSync(join(folder, name), code);
  const compilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: true, jsx: "react-jsx", types: [] },
    ...{
      target: "ES2022",
      lib: ["ES2022", "DOM", "DOM.Iterable"],
      module: "ESNext",
      moduleResolution: "bundler",
    },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.tsx"] }));
  const tsc = join(folder, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, "--pretty", "false"], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.equal(stdout, "");
  assert.match(await runTests(folder), /Test Files +1 passed/);
});
