import { useStatus } from "tidings/react";
import { useHashLocation } from "wouter/use-hash-location";
import { useFeed } from "../feed.ts";
import { median } from "../format.ts";
import { Theme } from "./theme.tsx";

export function Header() {
  const [path] = useHashLocation();
  return (
    <>
      <SkipLink />
      <header className="top">
        <a className="brand" href="#/people">
          <img src="/icon.svg" alt="" width="26" height="26" />
          <span>
            Tidings <small>demo</small>
          </span>
        </a>
        <p className="pitch">Every window shows what is stored. Nobody presses reload.</p>
        <div className="tools">
          <Freshness />
          <Latency />
          <a className="button" target="_blank" rel="noopener" href={`#${path}`}>
            Open a second window
          </a>
          <Theme />
        </div>
      </header>
    </>
  );
}

/** A button, because the address is the route's. */
function SkipLink() {
  return (
    <button type="button" className="skip" onClick={() => document.getElementById("main")?.focus()}>
      Skip to content
    </button>
  );
}

/** The words for the client's status. The data is known to be current only while the connection is open. */
const FRESHNESS = {
  idle: "not connected",
  connecting: "connecting …",
  open: "live",
  degraded: "delayed: may be out of date",
  reconnecting: "reconnecting … may be out of date",
  closed: "closed: may be out of date",
};

/** Says whether the window is up to date. */
function Freshness() {
  const status = useStatus();
  return (
    <span className="status" role="status" data-testid="status" data-status={status}>
      {FRESHNESS[status]}
    </span>
  );
}

function Latency() {
  const latencies = useFeed((feed) => feed.latencies);
  const title = `From publish to this window: the median of the last ${latencies.length} events`;
  return (
    <span className="latency" data-testid="latency" title={title}>
      {latencies.length > 0 && `latency ${median(latencies)} ms`}
    </span>
  );
}
