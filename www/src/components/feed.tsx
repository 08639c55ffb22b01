import { catalogue, crm, projects, staff, store } from "tidings/domains";
import { useSubscription } from "tidings/react";
import { useHashLocation } from "wouter/use-hash-location";
import {
  cause,
  clearFeed,
  type EventEntry,
  hear,
  missed,
  resumed,
  type SyncEntry,
  useFeed,
} from "../feed.ts";
import { time, words } from "../format.ts";
import { isUuid } from "../uuid.ts";

/** The topics of all lists. */
const TOPICS: string[] = [
  staff.topics.departments,
  staff.topics.teams,
  staff.topics.people,
  projects.topics.all,
  projects.topics.templates,
  projects.topics.tasks,
  catalogue.topics.catalogue,
  store.topics.schema("contacts"),
  store.topics.schema("links"),
];

/** The topic of a single record, by the first part of its address. */
const RECORD_TOPICS: Record<string, (uuid: string) => string> = {
  people: staff.topics.person,
  teams: staff.topics.team,
  departments: staff.topics.department,
  projects: projects.topics.project,
  contacts: crm.topics.interactions,
};

/** The panel that shows each event as it arrives. */
export function Feed() {
  const [path] = useHashLocation();
  const [, view = "", uuid] = path.split("/");
  const record = isUuid(uuid) ? RECORD_TOPICS[view]?.(uuid) : undefined;
  useSubscription(record ? [...TOPICS, record] : TOPICS, hear, { onSync: missed, onResume: resumed });

  const { entries, spoken } = useFeed();
  return (
    <aside className="feed" aria-labelledby="feed-title">
      <header>
        <h2 id="feed-title">Live feed</h2>
        <button type="button" className="quiet small" data-testid="clear" onClick={clearFeed}>
          Clear
        </button>
      </header>
      <p className="hint">Every event that this window receives.</p>
      {entries.length === 0 && (
        <p className="empty">Nothing yet. Change something, here or in another window.</p>
      )}
      <ol className="events" data-testid="feed">
        {entries.map((entry) =>
          entry.kind === "event" ? (
            <EventItem key={entry.id} {...entry} />
          ) : (
            <SyncItem key={entry.id} {...entry} />
          ),
        )}
      </ol>
      <p className="hidden" aria-live="polite" data-testid="announcer">
        {spoken}
      </p>
    </aside>
  );
}

function EventItem({ event, meta, latency }: EventEntry) {
  return (
    <li
      className={meta.own ? "event own" : "event"}
      data-event={event.event}
      data-own={meta.own}
      data-latency={latency}
    >
      <p className="line">
        <span className={`chip ${event.domain}`}>{event.domain}</span>
        <strong>{words(event.event)}</strong>
      </p>
      <p className="line faint">
        <time>{time(meta.at)}</time>
        <span className="who">{cause(meta)}</span>
        <span>{latency} ms</span>
      </p>
      <Topics topics={meta.topics} />
      <code className="position" title="Position in the log">
        {meta.position}
      </code>
      <details>
        <summary>payload</summary>
        <pre>{JSON.stringify(event.payload, null, 1)}</pre>
      </details>
    </li>
  );
}

function SyncItem({ sync, at }: SyncEntry) {
  return (
    <li className="event sync" data-event="sync">
      <p className="line">
        <span className="chip sync">sync</span>
        <strong>load again</strong>
      </p>
      <p className="line faint">
        <time>{time(at)}</time>
        <span>events may have been missed</span>
      </p>
      <Topics topics={sync.topics} />
      <code className="position">{sync.position}</code>
    </li>
  );
}

function Topics({ topics }: { topics: readonly string[] }) {
  return (
    <ul className="topics">
      {topics.map((topic) => (
        <li key={topic}>
          <code>{topic}</code>
        </li>
      ))}
    </ul>
  );
}
