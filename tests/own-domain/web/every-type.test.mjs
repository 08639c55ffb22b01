// Checks every type of a payload field against tests/vectors/types.json: with the npm package in a browser and in Node.js, with
// TypeScript, and with JSON Schema.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import * as esbuild from "esbuild";
import { createClient } from "tidings/own";
import { WebSocket } from "ws";
import { launch } from "./browser.mjs";
import { cases } from "./every-type/cases.mjs";
import { judge } from "./every-type/judge.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const json = async (path) => JSON.parse(await readFile(here(path), "utf8"));

assert.ok(cases.length > 2_000);
// Node.js has a WebSocket since version 22.
globalThis.WebSocket ??= WebSocket;

function none(faults) {
  assert.equal(faults.length, 0, `${faults.length}:\n${faults.slice(0, 40).join("\n")}`);
}

/** A server that does not know the domain. */
async function serve(t) {
  const server = spawn(process.env.HELPDESK_SERVER, ["serve", "--dev", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(() => server.kill());
  const [line] = await once(createInterface(server.stdout), "line");
  return line.replace("listening on ", "");
}

test("Node.js sends and receives each value of each type, or reports a typed error", async (t) => {
  const wasm = await readFile(here("pkg/types_client_bg.wasm"));
  const core = {
    glue: () => import("./pkg/types_client.js"),
    wasm: `data:application/wasm;base64,${wasm.toString("base64")}`,
  };
  none(await judge({ createClient, server: await serve(t), core, cases }));
});

test("a browser sends and receives each value of each type, or reports a typed error", async (t) => {
  const script = await esbuild.build({
    entryPoints: [here("every-type/page.mjs")],
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "warning",
  });
  const files = {
    "/": ["text/html", '<!doctype html><script type="module" src="/page.js"></script>'],
    "/page.js": ["text/javascript", script.outputFiles[0].text],
    "/types.js": ["text/javascript", await readFile(here("pkg/types_client.js"))],
    "/types.wasm": ["application/wasm", await readFile(here("pkg/types_client_bg.wasm"))],
  };
  const pages = createServer(({ url }, response) => {
    // The client loads a second copy of the glue with a query.
    const [type, body] = files[url.split("?")[0]] ?? [];
    response.writeHead(type ? 200 : 404, { "content-type": type ?? "text/plain" }).end(body);
  });
  t.after(() => pages.close());
  await once(pages.listen(0, "127.0.0.1"), "listening");
  const at = `http://127.0.0.1:${pages.address().port}`;
  const browser = await launch();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(at);
  await page.waitForFunction(() => globalThis.judge);
  const options = {
    server: await serve(t),
    core: { glue: `${at}/types.js`, wasm: `${at}/types.wasm` },
    cases,
  };
  none(await page.evaluate((options) => globalThis.judge(options), options));
});

test("TypeScript takes each accepted value and no value of another type", async () => {
  const lines = cases
    .filter(({ kind, typed }) => typed && (kind === "accepted" || kind === "mistyped"))
    .flatMap(({ name, event, payload, kind }) => [
      `// ${name}`.replaceAll("\n", " "),
      ...(kind === "mistyped" ? ["// @ts-expect-error"] : []),
      `void client.publish({ domain: "every_type", event: "${event}", payload: ${payload} });`,
    ]);
  const head = `import type { Client } from "tidings";
import type { EveryTypeDomain } from "../../every-type";
declare const client: Client<EveryTypeDomain>;
`;
  await mkdir(here("dist/every-type"), { recursive: true });
  await writeFile(here("dist/every-type/cases.ts"), head + lines.join("\n"));
  const config = { extends: "../../tsconfig.json", include: ["*.ts"] };
  await writeFile(here("dist/every-type/tsconfig.json"), JSON.stringify(config));
  const tsc = promisify(execFile)("npx", ["tsc", "--project", here("dist/every-type")], { cwd: here(".") });
  const said = await tsc.then(
    () => "",
    ({ stdout }) => stdout,
  );
  assert.equal(said.slice(0, 2_000), "");
});

/** Checks events with the generated schema. Like many validators, it ignores formats. */
function validator(schema) {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, validateFormats: false });
  ajv.addSchema(schema, "events");
  return (event) => ajv.validate(`events#/$defs/${event.domain}.${event.event}`, event);
}

test("the generated JSON Schema takes each accepted value and no other", async () => {
  const isValid = validator(await json("../../every-type/events.schema.json"));
  const faults = cases
    .filter(({ kind }) => kind !== "unsayable")
    .filter(
      ({ event, payload, kind }) =>
        isValid({ domain: "every_type", event, payload: JSON.parse(payload) }) !== (kind === "accepted"),
    );
  none(faults.map(({ name, kind }) => `${name}: is ${kind}`));
});

test("the JSON Schema of the shipped domains takes the events that they accept", async () => {
  const schema = await json("../../../shared/schema/events.schema.json");
  const isValid = validator(schema);
  const { good, refused } = await json("../../vectors/events.json");
  const isKnown = ({ domain, event }) => `${domain}.${event}` in schema.$defs;
  const known = good.filter(({ event }) => isKnown(event));
  const malformed = refused.filter(({ event, malformed }) => malformed && isKnown(event));
  assert.ok(known.length > 50 && malformed.length > 5);
  none(known.filter(({ event }) => !isValid(event)).map(({ name }) => name));
  none(malformed.filter(({ event }) => isValid(event)).map(({ name }) => name));
});
