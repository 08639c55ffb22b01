// The packed package in the projects of strangers.
// TIDINGS_CASES names cases by a regular expression; without it, those of each `cargo xtask test` run.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Child } from "../browser/child.mjs";
import { launch } from "../browser/window.mjs";
import { CASES } from "./cases.mjs";
import { html, serve, showsEvent } from "./pages.mjs";
import { Project } from "./project.mjs";

const wanted = new RegExp(process.env.TIDINGS_CASES ?? "");
const cases = CASES.filter(({ name }) => wanted.test(name));
assert.ok(cases.length > 0, `no case is named ${wanted}`);

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

  for (const { name, files, html: scriptOf, build, pages, serve: server, shows, run, prints } of cases) {
    test(name, { timeout: 300_000 }, async (t) => {
      const project = await Project.make(import.meta.dirname, name, files);
      if (scriptOf)
        for (const page of Object.keys(shows)) await project.write(`${page}.html`, html(scriptOf(page)));
      await project.run(build);
      if (run) {
        assert.match(await project.run(run, { SERVER: hub.url }), prints);
        return;
      }
      const url = server
        ? await project.serve(t, server)
        : await serve(t, `${project.folder}/${pages}`, project.folder);
      for (const [page, without] of Object.entries(shows)) {
        const scripts = await showsEvent(browser, hub, `${url}/${page && `${page}.html`}`);
        for (const text of without)
          assert.ok(!scripts.some((script) => script.includes(text)), `${page} loads ${text}`);
      }
    });
  }
});
