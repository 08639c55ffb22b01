import { type Child, fill, flash, h } from "../h.ts";

export interface Column<T> {
  head: string;
  cell: (row: T) => Child;
  /** `number` aligns to the right, `actions` holds buttons. */
  kind?: "number" | "actions";
}

interface TableOptions<T> {
  testid: string;
  caption: string;
  /** The text of an empty table. */
  empty: string;
  columns: Column<T>[];
  /** The part of a row that lights up when it changes. The default is the whole row. */
  news?: (row: T) => unknown;
}

interface Entry {
  row: HTMLTableRowElement;
  content: string;
  news: string;
}

export interface Table<T> {
  element: HTMLElement;
  update: (rows: T[]) => void;
}

/** A table that redraws and lights up only the rows that changed, and keeps the focus. */
export function table<T extends { uuid: string }>(options: TableOptions<T>): Table<T> {
  const { testid, caption, empty, columns, news = (row: T) => row } = options;
  const body = h("tbody");
  const none = h("p", { class: "empty", hidden: true }, empty);
  const element = h(
    "div",
    { class: "table", "data-testid": testid },
    h(
      "table",
      {},
      h("caption", { class: "hidden" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...columns.map(({ head, kind }) =>
            h("th", { scope: "col", class: kind }, head || h("span", { class: "hidden" }, "Actions")),
          ),
        ),
      ),
      body,
    ),
    none,
  );
  let shown = new Map<string, Entry>();
  let first = true;

  const draw = (record: T): HTMLTableRowElement =>
    h(
      "tr",
      { "data-uuid": record.uuid },
      // On narrow screens rows become cards, so each cell has the head of its column.
      ...columns.map(({ head, kind, cell }) => h("td", { class: kind, "data-head": head }, cell(record))),
    );

  const update = (rows: T[]): void => {
    const next = new Map<string, Entry>();
    const focused = body.contains(document.activeElement) ? focusPath(body) : undefined;
    for (const record of rows) {
      const content = JSON.stringify(record);
      const before = shown.get(record.uuid);
      const entry =
        before?.content === content
          ? before
          : { row: draw(record), content, news: JSON.stringify(news(record)) };
      if (entry.news !== before?.news && !first) flash(entry.row);
      next.set(record.uuid, entry);
    }
    for (const [uuid, { row }] of shown) if (next.get(uuid)?.row !== row) row.remove();
    let at = 0;
    for (const { row } of next.values()) {
      const there = body.children[at++];
      if (there !== row) body.insertBefore(row, there ?? null);
    }
    if (focused) restoreFocus(body, focused);
    shown = next;
    first = false;
    none.hidden = rows.length > 0;
  };
  return { element, update };
}

interface FocusPath {
  uuid: string;
  at: number;
}

const FOCUSABLE = "a, button, input, select";

function focusPath(body: HTMLElement): FocusPath | undefined {
  const active = document.activeElement;
  const row = active?.closest<HTMLElement>("tr[data-uuid]");
  if (!active || !row || !body.contains(row)) return undefined;
  return { uuid: row.dataset.uuid ?? "", at: [...row.querySelectorAll(FOCUSABLE)].indexOf(active) };
}

function restoreFocus(body: HTMLElement, { uuid, at }: FocusPath): void {
  if (body.contains(document.activeElement)) return;
  const row = body.querySelector(`tr[data-uuid="${CSS.escape(uuid)}"]`);
  row?.querySelectorAll<HTMLElement>(FOCUSABLE)[at]?.focus();
}

/** A list of names and values. A value that changed lights up. */
export function facts<T>(shown: { name: string; label: string; of: (record: T) => Child }[]) {
  const values = shown.map(({ name }) => h("dd", { "data-testid": `value-${name}` }));
  const element = h(
    "dl",
    { class: "facts" },
    ...shown.map(({ label }, at) => h("div", {}, h("dt", {}, label), values[at])),
  );
  let first = true;
  const update = (record: T): void => {
    shown.forEach(({ of }, at) => {
      const value = values[at] as HTMLElement;
      const before = value.textContent;
      const child = of(record);
      fill(value, child === "" || child === null ? h("span", { class: "faint" }, "—") : child);
      if (!first && value.textContent !== before) flash(value);
    });
    first = false;
  };
  return { element, update };
}
