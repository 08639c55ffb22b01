import { type ReactNode, useEffect, useRef } from "react";
import { useFlash } from "../use-flash.ts";

export interface Column<T> {
  head: string;
  cell: (row: T) => ReactNode;
  /** `number` aligns to the right, `actions` holds buttons. */
  kind?: "number" | "actions";
}

/** What a row is known by. */
type Keyed = { uuid: string } | { id: number };

const keyOf = (row: Keyed) => ("uuid" in row ? row.uuid : row.id);

interface TableProps<T> {
  testid: string;
  caption: string;
  /** The text of an empty table. */
  empty: string;
  rows: T[];
  columns: Column<T>[];
  /** The part of a row that lights the row up when it changes. The default is the whole row. */
  news?: (row: T) => unknown;
}

/** A table whose new and changed rows light up. */
export function Table<T extends Keyed>(props: TableProps<T>) {
  const { testid, caption, empty, rows, columns, news = (row: T) => row } = props;
  const isShown = useRef(false);
  useEffect(() => {
    isShown.current = true;
  }, []);
  return (
    <div className="table" data-testid={testid}>
      <table>
        <caption className="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ head, kind }) => (
              <th key={head} scope="col" className={kind}>
                {head || <span className="hidden">Actions</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={keyOf(row)} row={row} columns={columns} news={news(row)} isNew={isShown.current} />
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p className="empty">{empty}</p>}
    </div>
  );
}

interface RowProps<T> {
  row: T;
  columns: Column<T>[];
  news: unknown;
  isNew: boolean;
}

function Row<T extends Keyed>({ row, columns, news, isNew }: RowProps<T>) {
  return (
    <tr ref={useFlash<HTMLTableRowElement>(news, isNew)} data-key={keyOf(row)}>
      {columns.map(({ head, kind, cell }) => (
        // On narrow screens rows become cards, so each cell has the head of its column.
        <td key={head} className={kind} data-head={head}>
          {cell(row)}
        </td>
      ))}
    </tr>
  );
}
