// jsdom simulates a browser in Node.js, and lacks some of a browser's functions. tests/packaging uses it itself.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { unpack } from "./unpack.js";

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
