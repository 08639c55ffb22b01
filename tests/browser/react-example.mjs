// The examples with React (client-wasm/npm/examples), as a user has them: with the packed package, type-checked and built.

import { execFile } from "node:child_process";
import { cp, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { unpack } from "../../client-wasm/npm/test/unpack.js";
import { Child } from "./child.mjs";

const npm = fileURLToPath(new URL("../../client-wasm/npm/", import.meta.url));
const run = promisify(execFile);

/** Builds the example of this name, and serves it with its backend. Returns the address of the page. */
export async function example(t, hub, example) {
  const folder = unpack(t);
  await cp(join(npm, "examples", example), folder, { recursive: true });
  for (const name of [
    "@tanstack/react-query",
    "@types/react",
    "@types/react-dom",
    "csstype",
    "react",
    "react-dom",
    "typescript",
    "vite",
  ]) {
    const link = join(folder, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(npm, "node_modules", name), link);
  }
  const program = (path) => join(folder, "node_modules", path);
  const said = ({ stdout, stderr }) => Promise.reject(new Error(`${stdout}${stderr}`));
  await run(process.execPath, [program("typescript/bin/tsc")], { cwd: folder }).catch(said);
  await run(process.execPath, [program("vite/bin/vite.js"), "build"], { cwd: folder }).catch(said);

  const start = async (name, args, env) => {
    const child = await Child.start(name, process.execPath, args, {
      cwd: folder,
      env: { ...process.env, ...env },
    });
    t.after(() => child.end("SIGKILL"));
    return child.url;
  };
  const backend = await start("the backend", ["backend.mjs"], { TIDINGS: hub.url, PORT: "0" });
  const script = `
    import { preview } from "vite";
    const server = await preview({ preview: { host: "127.0.0.1", port: 0 } });
    console.log("listening on " + server.resolvedUrls.local[0]);
  `;
  const args = ["--input-type=module", "--eval", script];
  return start("the page", args, { TIDINGS: hub.url, BACKEND: backend });
}
