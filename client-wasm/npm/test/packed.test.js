// The package as its user gets it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Unpacks the tarball that xtask made, or a new one, where `tidings` is found by its name. */
function unpack(t) {
  const folder = mkdtempSync(join(tmpdir(), "tidings-packed-"));
  t.after(() => rmSync(folder, { recursive: true }));
  let tarball = process.env.TIDINGS_TARBALL;
  if (!tarball) {
    const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
    const [{ filename }] = JSON.parse(
      execFileSync("npm", pack, { cwd: root, stdio: ["ignore", "pipe", "ignore"] }),
    );
    tarball = join(folder, filename);
  }
  const module = join(folder, "node_modules/tidings");
  mkdirSync(module, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "--strip-components", "1", "-C", module]);
  return folder;
}

test("both entries are found by name, make no use of a browser, and share their errors", (t) => {
  const folder = unpack(t);
  const script = `
    import * as inline from "tidings";
    import * as url from "tidings/url";
    import { existsSync } from "node:fs";
    const client = inline.createClient({ url: "/v1/ws" });
    if (client.status !== "idle" || url.createClient().status !== "idle") throw new Error("not idle");
    if (inline.TidingsError !== url.TidingsError) throw new Error("two classes of errors");
    if (inline.topic.staff.person("x") !== "staff:person:x") throw new Error("no topics");
    if (!existsSync(new URL(import.meta.resolve("tidings/core.wasm")))) throw new Error("no core");
    console.log("fine");
  `;
  writeFileSync(join(folder, "use.mjs"), script);
  assert.equal(execFileSync(process.execPath, ["use.mjs"], { cwd: folder, encoding: "utf8" }), "fine\n");
});

test("nothing is shipped that a user does not need, and nothing runs when it is installed", (t) => {
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
});
