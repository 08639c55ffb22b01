import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Problem } from "../problem.ts";
import { useTitle } from "../use-title.ts";

interface ViewProps<T> {
  /** The data without which there is nothing to show. */
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}

/** A view of a list. */
export function ListView<T>({ title, query, children }: ViewProps<T> & { title: string }) {
  useTitle(title);
  return (
    <>
      <h1>{title}</h1>
      <Content query={query}>{children}</Content>
    </>
  );
}

interface RecordViewProps<T> extends ViewProps<T> {
  /** The list that the view leads back to, and the word for its records. */
  back: { href: string; label: string; noun: string };
}

/** A view of one record. It says so if somebody deletes the record. */
export function RecordView<T>({ back, query, children }: RecordViewProps<T>) {
  const isGone = query.error instanceof Problem && query.error.status === 404;
  return (
    <>
      <p className="back">
        <a href={back.href}>← {back.label}</a>
      </p>
      {isGone ? (
        <>
          <h1>No such {back.noun}</h1>
          <Notice>
            This {back.noun} does not exist any more. <a href={back.href}>{back.label}</a>
          </Notice>
        </>
      ) : (
        <Content query={query}>{children}</Content>
      )}
    </>
  );
}

/** The data, and what is wrong with it. */
function Content<T>({ query: { data, error }, children }: ViewProps<T>) {
  return (
    <>
      {error && (
        <Notice>
          {error.message} {data !== undefined && "The data on this page may be out of date."}
        </Notice>
      )}
      {data !== undefined && <div className="content">{children(data)}</div>}
      {data === undefined && !error && <p className="empty">Loading …</p>}
    </>
  );
}

function Notice({ children }: { children: ReactNode }) {
  return (
    <div className="notice" role="alert" data-testid="view-problem">
      <p>{children}</p>
    </div>
  );
}

/** A part of a view with a heading of its own. */
export function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="part">
      <h2>{title}</h2>
      {children}
    </section>
  );
}
