// Queries that are bound to topics end up with what is stored, whatever happens. `SEEDS` says how
// many worlds are tried, and `PLANTED` that planted faults must be found.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { environmentManager } from "@tanstack/query-core";
import { build } from "esbuild";
import { run } from "./query-world.js";

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
async function firstFault(bind, seeds, { counts, kind = /./ } = {}) {
  for (let seed = 1; seed <= seeds; seed++) {
    const fault = await run(seed, bind, counts);
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

for (const cancelRefetch of [true, false])
  test(`\`invalidateQueries\` at each event, with \`cancelRefetch: ${cancelRefetch}\`, leaves a query stale`, async (t) => {
    const fault = await firstFault(naive(cancelRefetch), 200, { kind: /shows .*stale: false/ });
    assert.ok(fault);
    t.diagnostic(fault);
  });

/** A piece of the source, and what takes its place. */
const PLANTED = {
  "an event during a fetch is forgotten": ["if (live.isStale) changed(live);", ""],
  "a load does not wait for its topics": ["if (opening) await opening;", ""],
  "what was loaded before the topics were in force counts": [
    "feed.isInForce = true;",
    "feed.isInForce = true; return;",
  ],
  "a sync is ignored": ["onSync: () => all(changed),", "onSync() {},"],
  "data that no `queryFn` has loaded counts": ["ended(live, !loaded.has(query))", "ended(live)"],
  "the next page counts as all pages": ["isFirst && !query.state.fetchMeta?.fetchMore", "isFirst"],
  "an own event is skipped although a fetch ran since the write": ["write > lastCovered &&", ""],
  "an own event is skipped although another write began": ["&&\n    write === origin.writes", ""],
  "an own event is skipped during a fetch": ['query.state.fetchStatus === "idle" &&\n    write', "write"],
};

test("each planted fault is found", {
  skip: !process.env.PLANTED && "in `cargo xtask soak query`",
}, async (t) => {
  const folder = fileURLToPath(new URL("../src/", import.meta.url));
  const source = readFileSync(`${folder}query-binding.ts`, "utf8");
  for (const [name, pieces] of Object.entries(PLANTED)) {
    let contents = source;
    for (let index = 0; index < pieces.length; index += 2) {
      assert.equal(
        contents.split(pieces[index]).length,
        2,
        `${name}: the source has this once: ${pieces[index]}`,
      );
      contents = contents.replace(pieces[index], () => pieces[index + 1]);
    }
    contents += "\nexport const liveQueries = bind;";
    const stdin = { contents, loader: "ts", resolveDir: folder };
    const { outputFiles } = await build({ stdin, bundle: true, format: "esm", write: false });
    const { liveQueries } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
    const live = (client, queryClient) => {
      const make = liveQueries(client, queryClient, {});
      return (rules) => make([TOPIC], rules);
    };
    const fault = await firstFault(live, 1_000);
    t.diagnostic(`${name}: ${fault}`);
    assert.ok(fault, `not found: ${name}`);
  }
});
