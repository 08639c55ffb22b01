// jsdom simulates a browser in Node.js, and lacks some of a browser's functions.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serve } from "./serve.js";
import { unpack } from "./unpack.js";

const skip = !process.env.TIDINGS_BIN && "TIDINGS_BIN names no server: `cargo xtask test npm` does";

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

test("in Vitest with jsdom the core loads, and events arrive", { skip, timeout: 60_000 }, async (t) => {
  const { url } = await serve(t);
  const folder = project(t, "vitest", "jsdom", "ws");
  // jsdom's own WebSocket does not open in Vitest, with or without this package: its events are no events to Node.js.
  const script = `
    import { createClient } from "tidings";
    import { expect, test } from "vitest";
    import { WebSocket } from "ws";
    globalThis.WebSocket = WebSocket;
    test("loads", async () => {
      expect(navigator.userAgent).toContain("jsdom");
      const client = createClient({ url: "${url}/v1/ws" });
      const heard = [];
      await client.subscribe("staff:people", (event, meta) => heard.push([event.event, meta.decoded])).ready;
      const payload = { uuid: "0198c0de-0000-7000-8000-000000000001" };
      await client.publish({ domain: "staff", event: "person_updated", payload });
      await expect.poll(() => heard).toEqual([["person_updated", true]]);
      client.close();
    });
  `;
  writeFileSync(join(folder, "load.test.js"), script);
  const vitest = join(folder, "node_modules/vitest/vitest.mjs");
  const options = ["run", "--root", folder, "--environment", "jsdom"];
  const run = promisify(execFile)(process.execPath, [vitest, ...options], { cwd: dirname(vitest) });
  const { stdout } = await run.catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
  assert.match(stdout, /1 passed/);
});

for (const [name, lacks] of [
  // Jest's jsdom.
  [
    "no streams and no text coders",
    "Blob.prototype.stream Response DecompressionStream TextDecoder TextEncoder",
  ],
  // A browser.
  ["no process", "process"],
]) {
  test(`the core loads where there is ${name}`, (t) => {
    const folder = unpack(t);
    const script = `
      const log = console.log;
      for (const path of "${lacks}".split(" ")) {
        const names = path.split(".");
        const last = names.pop();
        delete names.reduce((of, name) => of[name], globalThis)[last];
      }
      const { load } = await import("./node_modules/tidings/dist/core-inline.js");
      const { module, glue } = await load();
      log(Object.values(glue().initSync({ module })).some((value) => value instanceof WebAssembly.Memory));
    `;
    writeFileSync(join(folder, "load.mjs"), script);
    const options = { cwd: folder, encoding: "utf8" };
    assert.equal(execFileSync(process.execPath, ["load.mjs"], options), "true\n");
  });
}
