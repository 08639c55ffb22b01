// The hooks of `tidings/react` with React 18, the oldest that they need.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { backend, frames, open, PEOPLE, pause, skip, sockets, until, warnings } from "./react-page.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Bundles the built entry with React 18. */
async function bundle(t) {
  const folder = mkdtempSync(join(tmpdir(), "tidings-react-18-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const outfile = join(folder, "react.mjs");
  const contents = `
    export * from "./dist/react.js";
    export { createRoot } from "react-dom/client";
    export { renderToString } from "react-dom/server";
    export * as React from "react";
  `;
  const alias = { react: "react-18", "react-dom": "react-dom-18" };
  // React 18 is CommonJS, and asks for modules of Node.js.
  const banner = {
    js: `import { createRequire } from "node:module"; const require = createRequire("${root}");`,
  };
  const options = { bundle: true, format: "esm", platform: "node", outfile, alias, banner };
  await build({ ...options, stdin: { contents, resolveDir: root }, logLevel: "error" });
  return import(pathToFileURL(outfile).href);
}

test("with React 18, StrictMode costs one socket, one subscribe and one load, and events arrive", {
  skip,
}, async (t) => {
  const { React, createRoot, renderToString, TidingsProvider, useStatus, useSubscription, useWatch } =
    await bundle(t);
  assert.match(React.version, /^18\./);
  const { createElement: h, StrictMode } = React;
  const { store, load, write } = backend();
  const { client, container } = open(t);
  const heard = [];
  const Viewer = () => {
    const { data, isStale } = useWatch(PEOPLE, { key: "people", load: () => load(), minInterval: 0 });
    useSubscription([PEOPLE], ({ event }) => heard.push(event));
    return `${useStatus()} ${data} ${isStale}`;
  };
  const page = (...children) => h(StrictMode, null, h(TidingsProvider, { client }, ...children));
  assert.equal(renderToString(page(h(Viewer))), "idle undefined false");
  const element = container.appendChild(document.createElement("div"));
  const react = createRoot(element);
  t.after(() => react.unmount());
  react.render(page(h(Viewer)));
  await until(() => element.textContent === "open 1 false");
  await write(2);
  await until(() => element.textContent === "open 2 false");
  react.render(page());
  await until(() => element.textContent === "");
  react.render(page(h(Viewer)));
  await until(() => element.textContent === "open 2 false");
  await pause(20);
  assert.deepEqual([store.loads, sockets.length, frames("subscribe").length], [2, 1, 1]);
  assert.deepEqual([heard, warnings], [["person_updated"], []]);
});
