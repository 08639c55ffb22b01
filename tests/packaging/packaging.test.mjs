// The packed package in the projects of strangers.
// TIDINGS_CASES names cases by a regular expression. Those of the soak run if TIDINGS_SOAK is set.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Child } from "../browser/child.mjs";
import { launch } from "../browser/window.mjs";
import { CASES } from "./cases.mjs";
import { html, serve, showsEvent } from "./pages.mjs";
import { Project } from "./project.mjs";

const HERE = import.meta.dirname;
const SOAK = `${HERE}/soak`;

// Then the children are ended too, each by its `exit` listener.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
// One for each child.
process.setMaxListeners(100);

const named = new RegExp(process.env.TIDINGS_CASES ?? "");
const isSoak = Boolean(process.env.TIDINGS_SOAK);
const cases = CASES.filter(({ name, soak }) => named.test(name) && (isSoak || !soak));
assert.ok(cases.length > 0, `no case is named ${named}`);

/** Texts of the parts that a bundle may have. Minifiers leave them as they are. */
async function partsOf(project) {
  const dist = `${project.folder}/node_modules/tidings/dist`;
  const domains = Object.values(await import(`${dist}/domains.js`));
  const testing = "a frame is an object with the member";
  assert.ok((await readFile(`${dist}/testing.js`, "utf8")).includes(testing));
  return [
    ...domains.map(({ name, fingerprint }) => [name, fingerprint]),
    ["react", "react.transitional.element"],
    ["testing", testing],
  ];
}

describe("the packed package", { concurrency: 2 }, () => {
  let browser;
  let hub;
  before(async () => {
    hub = await Child.start("the server", process.env.TIDINGS_BIN, [
      "serve",
      "--dev",
      "--listen",
      "127.0.0.1:0",
    ]);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await hub?.end("SIGKILL");
  });

  for (const one of cases) {
    const { name, soak, files, html: scriptOf, imports, build, pages, shows, run, prints } = one;
    test(name, { timeout: 300_000 }, async (t) => {
      const project = await Project.make(soak ? SOAK : HERE, name, files);
      if (scriptOf)
        for (const page of Object.keys(shows))
          await project.write(`${page}.html`, html(scriptOf(page), imports));
      await project.run(build);
      if (run) {
        assert.match(await project.run(run, { SERVER: hub.url }), prints);
        return;
      }
      const url = one.serve
        ? await project.serve(t, one.serve)
        : await serve(t, `${project.folder}/${pages}`, project.folder);
      const parts = await partsOf(project);
      for (const [page, wanted] of Object.entries(shows)) {
        const scripts = await showsEvent(browser, hub, `${url}/${page && `${page}.html`}`);
        const loaded = parts.filter(([, text]) => scripts.some((script) => script.includes(text)));
        const names = loaded.map(([name]) => name);
        if (wanted) assert.deepEqual(names, wanted, page);
      }
    });
  }
});
