// A bundle has the domains that a page uses, and no other.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";

const DOMAINS = ["catalogue", "staff", "projects", "crm", "store"];

/** Bundles a page that uses one domain. Returns the code. */
const bundlers = {
  async esbuild(entry) {
    const { outputFiles } = await esbuild({
      entryPoints: [entry],
      bundle: true,
      format: "esm",
      write: false,
    });
    return outputFiles[0].text;
  },
  async vite(entry) {
    const lib = { entry, formats: ["es"] };
    const options = { configFile: false, logLevel: "silent", build: { lib, write: false, minify: false } };
    const [{ output }] = [await vite(options)].flat();
    return output[0].code;
  },
};

for (const [name, bundle] of Object.entries(bundlers)) {
  test(`${name} leaves out the domains that a page does not use`, { timeout: 60_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "tidings-bundle-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const entry = join(folder, "page.js");
    const domains = fileURLToPath(import.meta.resolve("tidings/domains"));
    for (const used of DOMAINS) {
      writeFileSync(entry, `import { ${used} } from ${JSON.stringify(domains)};\nconsole.log(${used});\n`);
      const code = await bundle(entry);
      const found = DOMAINS.filter((domain) => code.includes(`name: "${domain}"`));
      assert.deepEqual(found, [used]);
    }
  });
}
