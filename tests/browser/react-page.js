// The page of react.test.mjs: what the test does with React. It is bundled with the package.

import { createElement as h, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { TidingsProvider, useSubscription, useWatch } from "tidings/react";

let client;
let root;

window.open = (url) => {
  client = createClient({ url, domains: [staff] });
  root = createRoot(document.body.appendChild(document.createElement("main")));
};

/** The data of rows that load alone, and how often they have loaded. A fetch for each row would make the test slow. */
const alone = { text: "1", loads: 0 };
window.alone = alone;

async function load(isAlone, signal) {
  if (!isAlone) return (await fetch("/data", { signal })).text();
  alone.loads++;
  await turn();
  return alone.text;
}

const render = (...children) => root.render(h(TidingsProvider, { client }, ...children));
const turn = () => new Promise((resolve) => setTimeout(resolve));

/** Waits until each of these rows shows this text, and no row is stale. */
async function shown(count, text) {
  for (;;) {
    const rows = [...document.querySelectorAll("li")];
    if (rows.length === count && rows.every((row) => row.textContent === text && row.title === "")) return;
    await turn();
  }
}

const idOf = (row) => `0198c0de-0000-7000-8000-${`${row}`.padStart(12, "0")}`;

/** A row that shows data of its own topic, or of the topic of all. */
function Row({ row, isAlone }) {
  const { data, isStale } = useWatch(isAlone ? staff.topics.person(idOf(row)) : [staff.topics.people], {
    key: ["row", isAlone],
    load: (signal) => load(isAlone, signal),
  });
  return h("li", { title: isStale ? "stale" : "" }, data);
}

/** Shows rows. Rows of another generation are mounted anew. */
window.rows = async (count, isAlone, generation, text) => {
  render(Array.from({ length: count }, (_, row) => h(Row, { key: `${generation} ${row}`, row, isAlone })));
  await shown(count, text);
};

window.leave = async () => {
  render();
  await shown(0);
};

let mounts = 0;
let tell = () => {};

/** A component with data and a topic that no other has. */
function Mounted({ of, linger }) {
  const { data } = useWatch([staff.topics.people, `things:${of % 50}`], {
    key: `${of}`,
    load: () => Array.from({ length: 20 }, () => of),
    linger,
  });
  useSubscription(`others:${of % 50}`, () => {});
  useEffect(() => {
    if (data) tell();
  });
  return null;
}

/** Mounts so many components, in groups of 100, and waits until each has data. */
window.mount = async (count, linger = 0) => {
  for (let left = count; left > 0; left -= 100) {
    const isShown = new Set();
    await new Promise((resolve) => {
      tell = () => isShown.add(isShown.size).size === 100 && resolve();
      render(Array.from({ length: 100 }, () => h(Mounted, { key: ++mounts, of: mounts, linger })));
    });
    render();
    await turn();
  }
  // A subscription lingers for a second.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
};

/** Plants a leak: the client's watches do not end. */
window.plant = () => {
  const { watch } = client;
  client.watch = (...args) => Object.assign(watch.apply(client, args), { unsubscribe() {} });
};
