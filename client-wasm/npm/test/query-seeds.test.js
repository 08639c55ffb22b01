// Queries that are bound to topics end up with what is stored, whatever happens. `SEEDS` says how
// many worlds are tried, and `PLANTED` that planted faults must be found.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { environmentManager } from "@tanstack/query-core";
import { build } from "esbuild";
import { run, TestServer } from "./query-world.js";

const SEEDS = Number(process.env.SEEDS ?? 1_000);

// As in a browser.
globalThis.window = globalThis;
environmentManager.setIsServer(() => false);

const TOPIC = "staff:people";

const bound = (liveQueries) => (client, queryClient) => {
  const live = liveQueries(client, queryClient);
  return (rules) => live(TOPIC, rules);
};

/** What most people would write first. */
const naive = (cancelRefetch) => (client, queryClient) => {
  const changed = () => queryClient.invalidateQueries({}, { cancelRefetch });
  client.subscribe([TOPIC], changed, { onSync: changed, onResume() {}, onError() {} });
  return () => ({ staleTime: Number.POSITIVE_INFINITY });
};

/** The first fault of this kind that any of these worlds shows, with its seed. */
async function firstFault(bind, seeds, { counts, kind = /./, Server } = {}) {
  for (let seed = 1; seed <= seeds; seed++) {
    const fault = await run(seed, bind, counts, Server);
    if (fault?.match(kind)) return `seed ${seed}: ${fault}`;
  }
}

test("when writes stop, each query that is shown has what is stored, and no query had two fetches at a time", async (t) => {
  const { liveQueries } = await import("tidings/query");
  const counts = {};
  assert.equal(await firstFault(bound(liveQueries), SEEDS, { counts }), undefined);
  t.diagnostic(`${SEEDS} worlds: ${JSON.stringify(counts)}`);
  assert.ok(counts.checked > 2 * SEEDS && counts.loads > 20 * SEEDS, JSON.stringify(counts));
  // A query whose load has failed says so. There must be few of them, because they are not compared.
  assert.ok((counts.errors ?? 0) + (counts.cancelled ?? 0) < counts.checked / 100, JSON.stringify(counts));
});

test("the same holds for the real client", async (t) => {
  const { liveQueries } = await import("tidings/query");
  await TestServer.load();
  const counts = {};
  assert.equal(await firstFault(bound(liveQueries), SEEDS / 5, { counts, Server: TestServer }), undefined);
  t.diagnostic(`${SEEDS / 5} worlds: ${JSON.stringify(counts)}`);
  assert.ok(counts.checked > SEEDS / 5, JSON.stringify(counts));
});

for (const cancelRefetch of [true, false])
  test(`\`invalidateQueries\` at each event, with \`cancelRefetch: ${cancelRefetch}\`, leaves a query stale`, async (t) => {
    const fault = await firstFault(naive(cancelRefetch), 1_000, { kind: /shows .*stale: false/ });
    assert.ok(fault);
    t.diagnostic(fault);
  });

/** Pieces of the source, and what takes their place. */
const PLANTED = {
  "an event during a fetch is forgotten": ["if (stale.has(query)) changed();", ""],
  "a load does not wait for its topics": ["await opening;", "opening;"],
  "what was loaded before the topics were in force counts": [
    "feed.isInForce = true;",
    "feed.isInForce = true; return;",
  ],
  "a sync is ignored": ["onSync: changed,", "onSync() {},"],
  "the next page counts as all pages": ["isFirst && !query.state.fetchMeta?.fetchMore", "isFirst"],
  "an own event is skipped although a fetch ran since the write": ["write > lastCovered &&", ""],
  "an own event is skipped although another write began": ["&& write === origin.writes", ""],
  "a query that was removed while it is shown is forgotten": [" && isCached(query)) return;", ") return;"],
};

test("each planted fault is found", {
  skip: !process.env.PLANTED && "in `cargo xtask soak query`",
}, async (t) => {
  const folder = fileURLToPath(new URL("../src/", import.meta.url));
  const sources = ["query-live.ts", "query-binding.ts"].map((file) => [
    file,
    readFileSync(folder + file, "utf8"),
  ]);
  for (const [name, [piece, instead]] of Object.entries(PLANTED)) {
    const found = sources.flatMap(([, source]) => source.split(piece).slice(1));
    assert.equal(found.length, 1, `${name}: the source has this once: ${piece}`);
    const plant = {
      name: "plant",
      setup({ onLoad }) {
        for (const [file, source] of sources)
          onLoad({ filter: RegExp(`${file}$`) }, () => ({
            contents: source.replace(piece, () => instead),
            loader: "ts",
          }));
      },
    };
    const { outputFiles } = await build({
      entryPoints: [`${folder}query.ts`],
      bundle: true,
      format: "esm",
      write: false,
      plugins: [plant],
    });
    const { liveQueries } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
    const fault = await firstFault(bound(liveQueries), 3_000);
    t.diagnostic(`${name}: ${fault}`);
    assert.ok(fault, `not found: ${name}`);
  }
});
