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
import { createClient } from "tidings";
import * as shipped from "tidings/domains";
import { WebSocket } from "ws";
import { launch } from "./browser.mjs";
import { cases } from "./every-type/cases.mjs";
import { judge } from "./every-type/judge.mjs";
import { module } from "./typescript.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const json = async (path) => JSON.parse(await readFile(here(path), "utf8"));

/** `RANDOM_SEED` and `RANDOM_COUNT` make it other or more random payloads of each event. */
const { RANDOM_SEED: SEED = "1", RANDOM_COUNT: COUNT = "100" } = process.env;

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
  const { everyType } = await module(new URL("./every-type.ts", import.meta.url));
  none(await judge({ createClient, server: await serve(t), domain: everyType, cases }));
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
  };
  const pages = createServer(({ url }, response) => {
    const [type, body] = files[url] ?? [];
    response.writeHead(type ? 200 : 404, { "content-type": type ?? "text/plain" }).end(body);
  });
  t.after(() => pages.close());
  await once(pages.listen(0, "127.0.0.1"), "listening");
  const browser = await launch();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}`);
  await page.waitForFunction(() => globalThis.judge);
  none(await page.evaluate((options) => globalThis.judge(options), { server: await serve(t), cases }));
});

test("random payloads of each event are refused as Rust refuses them, and the others are sent", async () => {
  const { everyType } = await module(new URL("./every-type.ts", import.meta.url));
  const client = createClient({
    url: "ws://127.0.0.1:1/",
    domains: [everyType, ...Object.values(shipped)],
  });
  client.on("error", () => {});
  const publish = (event, signal) =>
    client.publish(event, { topics: ["every_type:all"], signal }).catch((error) => error);
  // The first publish waits until the core is loaded.
  await publish({ domain: "every_type", event: "u8", payload: {} });
  const { stdout } = await promisify(execFile)(process.env.RANDOM_PAYLOADS, [SEED, COUNT], {
    maxBuffer: 1 << 30,
  });
  const lines = stdout.trim().split("\n");
  assert.ok(lines.length > 2_000, `${lines.length}`);
  const faults = [];
  for (const line of lines) {
    const { refusal, payload, ...event } = JSON.parse(line);
    const abort = new AbortController();
    const answer = publish({ ...event, payload: JSON.parse(payload) }, abort.signal);
    const sent = new Error("it would have left");
    abort.abort(sent);
    const error = await answer;
    if (refusal === null ? error !== sent : !isSameRefusal(error, refusal)) faults.push(`${line} ${error}`);
  }
  client.close();
  none(faults);
});

/** Whether both name the same fault at the same place. The found value may be written in another way. */
function isSameRefusal({ code, message }, refusal) {
  const place = (text) => text.split(", found ")[0];
  const isNoJson = refusal.includes("half of a surrogate pair");
  return code === "invalid_event" && (isNoJson || place(message) === place(refusal));
}

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
