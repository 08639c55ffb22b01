// Bundles the tests' page with the packed package, as an application does.

import { copyFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await rm(here("dist"), { recursive: true, force: true });
await build({
  entryPoints: [here("page.js"), here("worker.js")],
  outdir: here("dist"),
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  // Tests take chunks away by the beginning of their names.
  chunkNames: "[name]-[hash]",
  define: { "process.env.NODE_ENV": '"development"' },
  logLevel: "warning",
});
// esbuild leaves `new URL("./core.wasm", import.meta.url)` as it is.
await copyFile(here("node_modules/tidings/dist/core.wasm"), here("dist/core.wasm"));
