// Builds the pages with other bundlers, and with the core at an address: dist/<bundler>/<page>.js. Vite builds the guide's own
// page, as the guide says.
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as esbuild from "esbuild";
import { build as vite } from "vite";
import webpack from "webpack";

const here = fileURLToPath(new URL(".", import.meta.url));
// The path at which the test serves this folder's `dist`.
const base = (bundler) => `/dist/${bundler}/`;
const entries = { app: `${here}app.ts`, "by-address": `${here}by-address.ts` };

await rm(`${here}dist`, { recursive: true, force: true });

await esbuild.build({
  // esbuild does not understand `new URL(…, import.meta.url)`, by which imported glue finds its WebAssembly.
  entryPoints: [entries["by-address"]],
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  outdir: `${here}dist/esbuild`,
  logLevel: "warning",
});

const stats = await promisify(webpack)({
  mode: "production",
  target: ["web", "es2022"],
  entry: entries,
  module: { rules: [{ test: /\.ts$/, use: `${here}strip-types.cjs` }] },
  resolve: { extensions: [".ts", ".js"] },
  output: {
    path: `${here}dist/webpack`,
    publicPath: base("webpack"),
    module: true,
    filename: "[name].js",
    chunkFilename: "[name].js",
  },
  experiments: { outputModule: true },
});
if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));

await vite({
  root: here,
  configFile: false,
  base: base("vite"),
  logLevel: "warn",
  build: {
    target: "es2022",
    outDir: "dist/vite",
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { "by-address": entries["by-address"] },
      output: { entryFileNames: "[name].js" },
    },
  },
});
