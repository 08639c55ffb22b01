// The package as a user gets it.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { unpack } from "./unpack.js";

test("the package has no file that a user does not need, and installing it runs nothing", (t) => {
  const folder = join(unpack(t), "node_modules/tidings");
  const { dependencies, scripts, sideEffects } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  assert.equal(dependencies, undefined);
  assert.equal(sideEffects, false);
  for (const name of ["preinstall", "install", "postinstall", "prepare"])
    assert.equal(scripts[name], undefined);
  const files = execFileSync("find", [".", "-type", "f"], { cwd: folder, encoding: "utf8" })
    .trim()
    .split("\n");
  assert.ok(
    files.every((file) =>
      /^\.\/(package\.json|README\.md|LICENSE.*|dist\/[\w-]+\.(js|d\.ts|wasm))$/.test(file),
    ),
  );
  // The build replaces the folders of the machine in panic messages and source names.
  const here = [fileURLToPath(new URL("../../..", import.meta.url)), `${homedir()}/`];
  for (const file of files) {
    const bytes = readFileSync(join(folder, file));
    for (const path of here) assert.ok(!bytes.includes(path), `${file} names ${path}`);
  }
  // npm packs no links, so these are copies.
  for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
    const text = readFileSync(new URL(`../../../${licence}`, import.meta.url), "utf8");
    assert.equal(readFileSync(join(folder, licence), "utf8"), text, licence);
  }
});

test("its types compile with an older lib, and if only one entry is imported", {
  timeout: 60_000,
}, (t) => {
  const folder = unpack(t);
  const program = (entry) => `
    import { createClient, TidingsError } from "${entry}";
    import { store } from "tidings/domains";
    const client = createClient({ domains: [store] });
    client.subscribe("store:contacts", (event) => event.payload.key.toUpperCase());
    client.subscribe(store.topics.schema("contacts"), (event) => event.payload.key.toUpperCase());
    client.on("error", (error: TidingsError) => void error.cause);
  `;
  writeFileSync(join(folder, "index.ts"), program("tidings"));
  writeFileSync(join(folder, "url.ts"), program("tidings/url"));
  const options = [
    "--noEmit",
    "--strict",
    "--target",
    "ES2020",
    "--module",
    "ESNext",
    "--moduleResolution",
    "bundler",
  ];
  const runs = [
    ["typescript", "ES2015", "index"],
    ["typescript", "ES2015", "url"],
    ["typescript", "ES2021", "index"],
    ["typescript", "ESNext", "index"],
    ["typescript-5.6", "ES2015", "index"],
  ];
  for (const [compiler, lib, entry] of runs) {
    const tsc = fileURLToPath(new URL(`../node_modules/${compiler}/bin/tsc`, import.meta.url));
    const arguments_ = [tsc, ...options, "--lib", `${lib},DOM`, `${entry}.ts`];
    const run = spawnSync(process.execPath, arguments_, { cwd: folder, encoding: "utf8" });
    assert.equal(run.stdout, "", `${compiler}, lib ${lib}, ${entry}`);
  }
});

test("no other entry imports the hub for tests", (t) => {
  const dist = join(unpack(t), "node_modules/tidings/dist");
  const files = readdirSync(dist).filter((file) => file.endsWith(".js") && file !== "testing.js");
  assert.ok(files.includes("index.js"));
  for (const file of files)
    assert.doesNotMatch(readFileSync(join(dist, file), "utf8"), /testing|TestHub/, file);
});
