import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Unpacks the tarball that xtask made, or a new one, so that `tidings` is found by its name. */
export function unpack(t) {
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
