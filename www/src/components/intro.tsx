import { useState } from "react";
import { useHashLocation } from "wouter/use-hash-location";

/** Says what the demo shows, and how to see it. */
export function Intro() {
  const [path] = useHashLocation();
  const [isHidden, hide] = useState(wasHidden);
  if (isHidden) return null;
  return (
    <section className="intro" aria-labelledby="intro-title" data-testid="intro">
      <h2 id="intro-title">Tidings keeps every window up to date</h2>
      <p>
        This is a small back office. Its server announces each write. Every window hears of it, and loads what
        changed.
      </p>
      <ol>
        <li>
          <a href={`#${path}`} target="_blank" rel="noopener">
            Open a second window
          </a>{" "}
          and put it beside this one.
        </li>
        <li>Change something in one of them. The other shows it at once.</li>
        <li>
          <a href="#/links">Write to the database from a terminal</a>. The windows show that, too.
        </li>
        <li>
          Stop the server with Ctrl+C: both windows say that they may be out of date. Start it again with{" "}
          <code>cargo xtask demo</code>: they catch up by themselves.
        </li>
      </ol>
      <button
        type="button"
        className="quiet small"
        data-testid="intro-hide"
        onClick={() => {
          remember();
          hide(true);
          // The button is gone.
          document.getElementById("main")?.focus({ preventScroll: true });
        }}
      >
        Hide this
      </button>
    </section>
  );
}

function wasHidden(): boolean {
  try {
    return localStorage.getItem("intro") === "hidden";
  } catch {
    return false;
  }
}

function remember(): void {
  try {
    localStorage.setItem("intro", "hidden");
  } catch {
    // If storage is forbidden, it is shown again at the next start.
  }
}
