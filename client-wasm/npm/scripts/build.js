// Makes `dist` from `src` and `pkg`. `cargo xtask build` puts the core and its glue into `pkg`.
//
// dist/client.js        the shell
// dist/index.js         the entry `tidings`: loads the core from core-inline.js
// dist/workerd.js       the same for workerd: imports core.wasm, which the bundler compiles
// dist/url.js           the entry `tidings/url`: loads the core from core.wasm
// dist/domains.js       the entry `tidings/domains`: the domains that ship
// dist/testing.js       the entry `tidings/testing`: a hub for tests
// dist/query.js         the entry `tidings/query`: has neither a core nor TanStack Query in it
// dist/react.js         the entry `tidings/react`: hooks
// dist/core-inline.js   the core as text, for environments that can't fetch a file beside a module
// dist/core-glue.js     wasm-bindgen's glue, as a function that makes a new instance
// dist/core.wasm        the core
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const pkg = join(root, "pkg");
const { name, version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));

await rm(dist, { recursive: true, force: true });
await mkdir(dist);

await copyFile(join(pkg, "tidings_core_bg.wasm"), join(dist, "core.wasm")).catch((cause) => {
  throw new Error("The core is missing: `cargo xtask build` makes it and then calls this.", { cause });
});

const common = { format: "esm", target: "es2022", minify: true, legalComments: "none", logLevel: "warning" };

// The names that wasm-opt gave the core's imports and exports.
const { imports, exports } = JSON.parse(await readFile(join(pkg, "tidings_core.names.json"), "utf8"));
const renamed = new Map(exports);
for (const [from, name, to] of imports) renamed.set(name, to).set(from, "a");
const mangleProps = new RegExp(
  `^(${[...renamed.keys()].map((name) => name.replace(/\W/g, "\\$&")).join("|")})$`,
);

// The glue keeps its instance in variables of its module. Inside a function they are new at each call.
const glue = await build({
  ...common,
  stdin: { contents: `export { Core, initSync } from "./tidings_core.js"`, resolveDir: pkg },
  bundle: true,
  format: "iife",
  globalName: "glue",
  mangleProps,
  mangleQuoted: true,
  mangleCache: Object.fromEntries(renamed),
  write: false,
});
// Jest's jsdom lacks the text coders.
const coders =
  'const{TextDecoder,TextEncoder}=globalThis.TextDecoder?globalThis:process.getBuiltinModule("node:util");';
await writeFile(
  join(dist, "core-glue.js"),
  `export function glue(){${coders}${glue.outputFiles[0].text.trim()}return glue}\n`,
);

// The core as text. Base64 would hide its patterns from the compression on the wire. Here each byte has one or two printable
// characters, so brotli finds nearly the same patterns as in the file.
const DIGITS = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).filter(
  (digit) => !/["\\]/.test(digit),
);
// The first digits announce a byte that is too large for one digit.
const [HIGH, LOW] = [DIGITS.slice(0, 3), DIGITS.slice(3)];
const digits = (byte) => (HIGH[Math.floor(byte / LOW.length) - 1] ?? "") + LOW[byte % LOW.length];
const core = await readFile(join(pkg, "tidings_core_bg.wasm"));
const inline = `import { glue } from "./core-glue.js";
const text = ${JSON.stringify(Array.from(core, digits).join(""))};
export async function load() {
  const bytes = new Uint8Array(${core.length});
  let at = 0;
  let high = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const digit = code - (code > 92 ? 34 : code > 34 ? 33 : 32);
    if (digit < ${HIGH.length}) high = (digit + 1) * ${LOW.length};
    else {
      bytes[at++] = high + digit - ${HIGH.length};
      high = 0;
    }
  }
  return { glue, module: await WebAssembly.compile(bytes) };
}`;
await build({
  ...common,
  stdin: { contents: inline, resolveDir: dist },
  outfile: join(dist, "core-inline.js"),
});

await build({
  ...common,
  entryPoints: [join(root, "src/client.ts")],
  bundle: true,
  define: { CLIENT: JSON.stringify(`${name}-js/${version}`) },
  outdir: dist,
});
// The entries share the shell, so that all of them have the same error class.
await build({
  ...common,
  entryPoints: ["index", "url", "wasm", "workerd", "domains"].map((entry) => join(root, `src/${entry}.ts`)),
  outdir: dist,
});
// These names are used inside the entry only. The short ones keep it within its size.
await build({
  ...common,
  entryPoints: [join(root, "src/query.ts")],
  bundle: true,
  mangleProps:
    /^(members|opening|isInForce|isShown|feeds|keep|shows|updated|ended|schedule|changed|isFresh|rules)$/,
  outdir: dist,
});
// For users of React Server Components: hooks run in the browser.
await build({
  ...common,
  entryPoints: [join(root, "src/react.ts")],
  bundle: true,
  external: ["react"],
  banner: { js: '"use client";' },
  outdir: dist,
});

// Never a part of a page, so not minified: a test shows where it failed.
await build({
  ...common,
  minify: false,
  entryPoints: [join(root, "src/testing.ts")],
  bundle: true,
  external: ["./client.js", "./core-inline.js"],
  outdir: dist,
});

const tsc = createRequire(import.meta.url).resolve("typescript/package.json");
execFileSync(process.execPath, [join(dirname(tsc), "bin/tsc"), "--project", root], { stdio: "inherit" });
