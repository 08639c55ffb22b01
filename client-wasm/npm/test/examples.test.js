// The examples in the docs of the exported items compile.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The names that the examples use without a declaration. */
const CONTEXT = `
import { type Client, createClient, type Handler, type PublishableEvent, type Spelt, TidingsError, topic } from "tidings";
import { createTestHub, type TestHub } from "tidings/testing";
declare const client: Client;
declare const event: PublishableEvent;
declare const hub: TestHub;
declare const id: string;
declare const load: () => void;
declare const publishLater: (event: PublishableEvent) => void;
declare const render: (data: unknown) => void;
declare const showBadge: (text: string) => void;
`;

/** The examples of all docs, each in a function of its own. */
function examples() {
  const files = readdirSync(`${root}/dist`).filter((file) => file.endsWith(".d.ts"));
  const docs = files.map((file) => readFileSync(`${root}/dist/${file}`, "utf8")).join("\n");
  const blocks = [...docs.matchAll(/\* ```ts\n(.*?)\* ```/gs)].map(([, block]) => block);
  return blocks.map((block, index) => {
    const code = block.replace(/^ *\* ?/gm, "").replace(/^import .*$/gm, "");
    return `export async function example${index}() {\n${code}\n}\n`;
  });
}

test("the examples in the docs compile", (t) => {
  const file = `${root}/test/examples.ts`;
  const found = examples();
  assert.ok(found.length >= 9, `${found.length} examples`);
  writeFileSync(file, CONTEXT + found.join("\n"));
  t.after(() => rmSync(file));
  const args = [
    "node_modules/typescript/bin/tsc",
    "--project",
    "test/tsconfig.examples.json",
    "--pretty",
    "false",
  ];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  assert.equal(stdout, "");
});
