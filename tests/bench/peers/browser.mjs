// What the browser's client costs in Chromium, beside a bare WebSocket with JSON.parse: script per event, and the time from
// the start of a page to `ready`. The packed package, a real server, the same frames.
//
// The arguments are the folder that the package is unpacked into, and the server's program.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, createServer, request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const [folder, program] = process.argv.slice(2);
const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const RUNS = number("RUNS", 5);
const EVENTS = number("EVENTS", 20_000);
const STARTS = number("STARTS", 15);
const PER_SECOND = 2_000;
const ID = "0198c0de-0000-7000-8000-000000000001";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { build } = createRequire(here("../../../client-wasm/npm/package.json"))("esbuild");
const puppeteer = await import(
  pathToFileURL(createRequire(here("../../browser/package.json")).resolve("puppeteer-core")).href
).then((module) => module.default);

/** The pages. Each sets `heard` to the number of its events, and `ready` to its time since the page began. */
const PAGES = {
  bare: `
    const socket = new WebSocket(SERVER, "tidings.v1.json");
    const names = [];
    socket.onopen = () => {
      socket.send(JSON.stringify({ op: "hello" }));
      socket.send(JSON.stringify({ op: "subscribe", ref: 1, topics: ["staff:people"] }));
    };
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.op === "event") heard(frame.event, frame);
      if (frame.op === "ping") socket.send(JSON.stringify({ op: "pong" }));
      if (frame.op === "subscribed") ready();
    };`,
  tidings: page("tidings"),
  "tidings/url": page("tidings/url"),
};

function page(entry) {
  return `
    import { createClient } from "${entry}";
    import { staff } from "tidings/domains";
    const client = createClient({ url: SERVER, domains: [staff] });
    client.subscribe(staff.topics.people, heard).ready.then(ready);`;
}

const COMMON = `
  globalThis.events = 0;
  const heard = (event, meta) => {
    if (event.event === "person_updated" && event.payload.uuid === "${ID}" && meta.position) globalThis.events++;
  };
  const ready = () => { globalThis.ready = performance.now(); };
`;

/** A server of tidings, and its address. */
async function serve() {
  const child = spawn(program, ["serve", "--dev", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { child, url: line.replace("listening on ", "") };
}

/** Bundles the pages, and serves them. */
async function pages(server) {
  const out = await mkdtemp(join(tmpdir(), "tidings-bench-"));
  const define = { SERVER: JSON.stringify(`${server.replace("http", "ws")}/v1/ws`) };
  for (const [name, text] of Object.entries(PAGES)) {
    await build({
      stdin: { contents: COMMON + text, resolveDir: folder, sourcefile: "page.js" },
      bundle: true,
      splitting: true,
      format: "esm",
      target: "es2022",
      minify: true,
      define,
      outdir: join(out, name),
      logLevel: "warning",
    });
    const wasm = join(folder, "node_modules/tidings/dist/core.wasm");
    if (name.endsWith("url")) await writeFile(join(out, name, "core.wasm"), await readFile(wasm));
  }
  const types = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };
  const http = createServer(async (asked, answer) => {
    const path = decodeURIComponent(asked.url);
    const body = path.endsWith("/")
      ? `<!doctype html><link rel="icon" href="data:,"><script type="module" src="stdin.js"></script>`
      : await readFile(join(out, path)).catch(() => undefined);
    const type = types[path.endsWith("/") ? "html" : path.split(".").pop()];
    answer.writeHead(body === undefined ? 404 : 200, { "content-type": type ?? "text/plain" }).end(body);
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  return { http, out, url: `http://127.0.0.1:${http.address().port}` };
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

function publish(server) {
  const event = { domain: "staff", event: "person_updated", payload: { uuid: ID, note: "x".repeat(60) } };
  return new Promise((resolve, reject) => {
    const asked = request(`${server}/v1/publish`, { method: "POST", agent }, (answer) => {
      answer
        .resume()
        .on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`))));
    });
    asked.on("error", reject);
    asked.end(JSON.stringify({ event, origin: "bench" }));
  });
}

/** Publishes so many events at an even rate. */
async function publishAll(server, count) {
  const start = performance.now();
  const all = [];
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - start) / 1000) * PER_SECOND));
    for (; sent < due; sent++) all.push(publish(server));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(all);
}

const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
const spread = (all, digits) =>
  `${median(all).toFixed(digits)} (${Math.min(...all).toFixed(digits)} to ${Math.max(...all).toFixed(digits)})`;

async function open(browser, base, name) {
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  tab.on("pageerror", (error) => console.error(`${name}: ${error}`));
  await tab.goto(`${base}/${name}/`);
  await tab.waitForFunction("globalThis.ready !== undefined", { polling: 20, timeout: 20_000 });
  return { context, tab };
}

/** Microseconds of script per event, on the clock of the page's thread. */
async function perEvent(browser, base, server, name) {
  const { context, tab } = await open(browser, base, name);
  const session = await tab.createCDPSession();
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const script = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find((metric) => metric.name === "ScriptDuration").value;
  };
  await publishAll(server, EVENTS / 10);
  await tab.waitForFunction(`events === ${EVENTS / 10}`, { polling: 100 });
  await tab.evaluate("events = 0");
  if (process.env.PROFILE) {
    await session.send("Profiler.enable");
    await session.send("Profiler.setSamplingInterval", { interval: 100 });
    await session.send("Profiler.start");
  }
  const before = await script();
  await publishAll(server, EVENTS);
  await tab.waitForFunction(`events === ${EVENTS}`, { polling: 500, timeout: 60_000 });
  const spent = (await script()) - before;
  if (process.env.PROFILE) {
    const { profile } = await session.send("Profiler.stop");
    report(profile, name);
  }
  await context.close();
  return (spent * 1e6) / EVENTS;
}

/** Prints where the time of a profile went. */
function report(profile, name) {
  const self = new Map();
  const of = new Map(profile.nodes.map((node) => [node.id, node]));
  profile.samples.forEach((id, index) => {
    const { callFrame } = of.get(id);
    const key = `${callFrame.functionName || "(anonymous)"} ${callFrame.url.split("/").pop()}:${callFrame.columnNumber}`;
    self.set(key, (self.get(key) ?? 0) + profile.timeDeltas[index]);
  });
  console.log(`\n${name}: µs per event, by function`);
  for (const [key, time] of [...self].sort((a, b) => b[1] - a[1]).slice(0, 30))
    console.log(`${(time / EVENTS).toFixed(2).padStart(7)} ${key}`);
}

process.on("exit", () => server?.child.kill());
const server = await serve();
const site = await pages(server.url);
const browser = await puppeteer.launch({
  executablePath: process.env.CHROME ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
try {
  const names = Object.keys(PAGES);
  const cost = new Map(names.map((name) => [name, []]));
  const start = new Map(names.map((name) => [name, []]));
  for (let run = 0; run < STARTS; run++)
    for (const name of names) {
      const { context, tab } = await open(browser, site.url, name);
      start.get(name).push(await tab.evaluate("ready"));
      await context.close();
    }
  for (let run = 0; run < RUNS; run++)
    for (const name of names) cost.get(name).push(await perEvent(browser, site.url, server.url, name));
  console.log(
    `\nbrowser: ${EVENTS} events at ${PER_SECOND}/s, ${RUNS} runs; ${STARTS} cold starts; in Chromium\n`,
  );
  console.log(
    "| client | script per event, µs | × bare | cold start to `ready`, ms | × bare |\n|---|---|---|---|---|",
  );
  for (const name of names) {
    const times = (all) => (median(all.get(name)) / median(all.get("bare"))).toFixed(2);
    console.log(
      `| ${name} | ${spread(cost.get(name), 1)} | ${times(cost)} | ${spread(start.get(name), 0)} | ${times(start)} |`,
    );
  }
} finally {
  await browser.close();
  server.child.kill();
  site.http.close();
  agent.destroy();
  await rm(site.out, { recursive: true });
}
