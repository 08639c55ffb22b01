// Imports a module of TypeScript.
import { readFile } from "node:fs/promises";
import { transform } from "esbuild";

/** Returns the exports of the file. It must import nothing but types. */
export async function module(file) {
  const { code } = await transform(await readFile(file, "utf8"), { loader: "ts", format: "esm" });
  return import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
}
