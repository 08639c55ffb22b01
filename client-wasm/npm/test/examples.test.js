// The examples in the docs of the exported items, and in the README, compile.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The names that the examples use without a declaration. */
const CONTEXT = `
import { type Client, createClient, type EventOf, type Handler, type PublishableEvent, TidingsError, type Topic } from "tidings";
import { createTestHub, type TestHub } from "tidings/testing";
import { liveQueries } from "tidings/query";
import { projects, staff, type StaffDomain } from "tidings/domains";
import { QueryClient, queryOptions } from "@tanstack/react-query";
const client = createClient({ domains: [staff] });
const queryClient = new QueryClient();
declare const event: PublishableEvent<StaffDomain>;
declare const hub: TestHub;
declare const id: string;
declare const load: () => void;
declare const publishLater: (event: PublishableEvent<StaffDomain>) => void;
declare const render: (data: unknown) => void;
declare const showBadge: (text: string) => void;
`;

/** The same for examples with React. */
const REACT_CONTEXT = `
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { TidingsProvider, useSubscription, useWatch } from "tidings/react";
const client = createClient();
declare const root: Element;
declare const App: () => ReactNode;
declare const List: (props: { people: string[] }) => ReactNode;
declare const toast: (text: string) => void;
`;

/** The examples of all docs in this language, each in a function of its own. */
function examples(language) {
  const files = readdirSync(`${root}/dist`).filter((file) => file.endsWith(".d.ts"));
  const docs = files.map((file) => readFileSync(`${root}/dist/${file}`, "utf8")).join("\n");
  const blocks = [...docs.matchAll(new RegExp(`\\* \`\`\`${language}\\n(.*?)\\* \`\`\``, "gs"))].map(
    ([, block]) => block,
  );
  return blocks.map((block, index) => {
    const code = block.replace(/^ *\* ?/gm, "").replace(/^import .*$/gm, "");
    return `export async function example${index}() {\n${code}\n}\n`;
  });
}

/** The TypeScript of the README, a module for each block. The first line of a block may name its file. */
function readme() {
  const text = readFileSync(`${root}/README.md`, "utf8");
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, kind, block]) => ({ kind, block }));
  const unknown = blocks.find(({ kind }) => !["ts", "tsx", "sh"].includes(kind));
  assert.equal(unknown, undefined, "nothing checks a block of this kind");
  return blocks.filter(({ kind }) => kind.startsWith("ts"));
}

test("the examples in the docs and in the README compile", (t) => {
  const folder = `${root}/test/examples`;
  mkdirSync(folder, { recursive: true });
  t.after(() => rmSync(folder, { recursive: true }));
  const [inDocs, withReact, inReadme] = [examples("ts"), examples("tsx"), readme()];
  assert.ok(inDocs.length >= 11, `${inDocs.length} examples in the docs`);
  assert.ok(withReact.length >= 3, `${withReact.length} examples with React in the docs`);
  assert.ok(inReadme.length >= 7, `${inReadme.length} examples in the README`);
  writeFileSync(`${folder}/docs.ts`, CONTEXT + inDocs.join("\n"));
  writeFileSync(`${folder}/react.tsx`, REACT_CONTEXT + withReact.join("\n"));
  for (const [index, { kind, block }] of inReadme.entries())
    writeFileSync(`${folder}/${/^\/\/ (\S+\.tsx?)$/m.exec(block)?.[1] ?? `readme${index}.${kind}`}`, block);
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
