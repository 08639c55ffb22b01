import { useEffect, useState, useSyncExternalStore } from "react";

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** The theme of the system, until the user chooses the other one. `public/theme.js` applies the choice at the next start. */
export function Theme() {
  const isSystemDark = useSyncExternalStore(onSystemTheme, () => DARK.matches);
  const [chosen, choose] = useState(document.documentElement.dataset.theme);
  const isDark = chosen ? chosen === "dark" : isSystemDark;
  useEffect(() => {
    if (!chosen) return;
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      // If storage is forbidden, the choice lasts until the window is closed.
    }
  }, [chosen]);
  const other = isDark ? "light" : "dark";
  return (
    <button
      type="button"
      className="quiet"
      data-testid="theme"
      aria-label={`Switch to the ${other} theme`}
      onClick={() => choose(other)}
    >
      {isDark ? "Light" : "Dark"}
    </button>
  );
}

function onSystemTheme(tell: () => void): () => void {
  DARK.addEventListener("change", tell);
  return () => DARK.removeEventListener("change", tell);
}
