import { byId, fill, h } from "./h.ts";
import { markCurrent } from "./shell.ts";

/** A view fills `main`. It stops when `signal` is aborted, because the user went to another view. */
export interface Scene {
  main: HTMLElement;
  /** The record in the address, in views of one record. */
  uuid: string;
  signal: AbortSignal;
}

export interface Route {
  /** The section to mark as current. */
  section: string;
  show: (scene: Scene) => void;
}

/** Shows the view that the address names, such as `#/people` or `#/people/<uuid>`, also when the address changes. */
export function startRouter(routes: Record<string, Route>, home: string): void {
  let leave = new AbortController();

  const go = (): void => {
    leave.abort();
    leave = new AbortController();
    const main = byId("main");
    const [name = "", uuid] = location.hash.replace(/^#\/?/, "").split("/");
    const route = routes[uuid ? `${name}/` : name];
    if (!name) {
      location.replace(home);
      return;
    }
    fill(main);
    markCurrent(route?.section ?? "");
    if (route) route.show({ main, uuid: uuid ?? "", signal: leave.signal });
    else fill(main, h("h1", {}, "No such page"), h("p", {}, h("a", { href: home }, "Go to the start")));
    document.title = `${main.querySelector("h1")?.textContent || "Tidings"} · Tidings demo`;
  };

  window.addEventListener("hashchange", () => {
    go();
    scrollTo({ top: 0 });
    // The keyboard goes on at the beginning of the new content.
    byId("main").focus({ preventScroll: true });
  });
  go();
}
