// A page in jsdom, a real server behind it, and counts of what the page asks for.
import assert from "node:assert/strict";
import { after, before, beforeEach } from "node:test";
import { JSDOM } from "jsdom";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { TidingsProvider, useWatch } from "tidings/react";
import { serve, skip } from "./serve.js";

export { skip };
export const PEOPLE = staff.topics.people;
export const ID = "0198c0de-0000-7000-8000-000000000001";

const dom = new JSDOM("<!doctype html><body></body>");
globalThis.window = dom.window;
globalThis.document = dom.window.document;
// jsdom's listeners take only signals of jsdom.
for (const name of ["AbortController", "AbortSignal"]) globalThis[name] = dom.window[name];
globalThis.navigator ??= dom.window.navigator;

/** The WebSockets that were opened, with the frames that were sent. */
export const sockets = [];

/** The messages of React, which warns by the console. */
export const warnings = [];
console.error = (...said) => warnings.push(said.map(String).join(" "));

if (globalThis.WebSocket)
  globalThis.WebSocket = class extends WebSocket {
    sent = [];
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
      super.send(text);
    }
  };

/** The frames with this operation, on all sockets. */
export const frames = (op) => sockets.flatMap(({ sent }) => sent.filter((frame) => frame.op === op));

/** Waits until a condition holds. */
export async function until(condition, what = condition) {
  for (const start = Date.now(); !condition(); await pause(2))
    if (Date.now() - start > 10_000) throw new Error(`this never came: ${what}`);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// React looks for a page when it is loaded.
export const React = await import("react");
export const { createRoot, hydrateRoot } = await import("react-dom/client");
export const { renderToString } = await import("react-dom/server");
const h = React.createElement;

/** The address of the server, which all tests of a file share. */
export let url;
let endServer = () => {};

before(async () => {
  if (!skip) ({ url } = await serve({ after: (end) => (endServer = end) }));
});

after(() => endServer());

beforeEach(() => {
  sockets.length = 0;
  warnings.length = 0;
});

/** The backend: what it has stored, and how often it was asked. */
export function backend() {
  const store = { value: 1, loads: 0 };
  const load = async () => {
    store.loads++;
    await pause(1);
    return store.value;
  };
  /** Writes, and announces the event. */
  const write = async (value, { event = "person_updated", uuid = ID, origin } = {}) => {
    store.value = value;
    const body = JSON.stringify({ event: { domain: "staff", event, payload: { uuid } }, origin });
    const answer = await fetch(`${url}/v1/publish`, { method: "POST", body });
    assert.ok(answer.ok, `${answer.status}`);
  };
  return { store, load, write };
}

/** Renders into a page of its own. */
export function open(t, client = createClient({ url: `${url}/v1/ws`, domains: [staff] })) {
  const container = document.body.appendChild(document.createElement("div"));
  const faults = [];
  const note = (error) => faults.push(error.message);
  const root = createRoot(container, { onUncaughtError: note, onCaughtError: note });
  t.after(() => {
    root.unmount();
    client.close();
    container.remove();
  });
  return {
    client,
    faults,
    container,
    root,
    render: (...children) => root.render(h(TidingsProvider, { client }, ...children)),
    text: () => container.textContent,
    shows: (text) => until(() => container.textContent === text, text),
  };
}

/** A component that shows a view, and collects what each of its renders showed. */
export function viewer(options, topics = PEOPLE) {
  const seen = [];
  const last = {};
  function Viewer(props) {
    const view = useWatch(props.topics === undefined ? topics : props.topics, {
      ...options,
      ...props.options,
    });
    last.view = view;
    seen.push([view.data, view.isLoading, view.isStale]);
    return `${view.data ?? "…"}`;
  }
  return { Viewer, seen, last };
}
