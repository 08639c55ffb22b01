// A list whose rows keep themselves up to date with the React helper.

import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { staff } from "tidings/domains";
import { TidingsProvider, useWatch } from "tidings/react";

function Row({ uuid }) {
  const { data } = useWatch(staff.topics.person(uuid), {
    key: uuid,
    load: (signal) => fetch(`/row/${uuid}`, { signal, cache: "no-store" }).then((answer) => answer.json()),
  });
  return createElement("li", null, data ?? "loading");
}

const root = createRoot(document.body.appendChild(document.createElement("ul")));

/** Renders a row for each person. In React's development build, StrictMode mounts each one twice. */
export function render(client, people) {
  const rows = people.map((uuid) => createElement(Row, { key: uuid, uuid }));
  root.render(createElement(StrictMode, null, createElement(TidingsProvider, { client }, rows)));
}

/** What the rows show. */
export const texts = () => Array.from(document.querySelectorAll("li"), (row) => row.textContent);
