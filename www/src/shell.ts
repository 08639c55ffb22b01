import { byId, fill, h } from "./h.ts";
import { client } from "./tidings.ts";
import { toast } from "./ui/dialog.ts";

const SECTIONS = [
  { title: "Staff", links: ["people", "teams", "departments"] },
  { title: "Projects", links: ["projects", "templates", "tasks"] },
  { title: "Catalogue", links: ["catalogues", "manufacturers"] },
  { title: "CRM", links: ["contacts"] },
];

/** The words for the client's status. */
const STATUS_WORDS: Record<string, string> = {
  idle: "not connected",
  connecting: "connecting …",
  open: "live",
  reconnecting: "reconnecting …",
  closed: "closed",
};

/** Fills the frame around the views: sections, connection status, theme, second window. */
export function startShell(): void {
  for (const { title, links } of SECTIONS) {
    const id = `nav-${title.toLowerCase()}`;
    byId("nav").append(
      h("h2", { id }, title),
      h(
        "ul",
        { "aria-labelledby": id },
        ...links.map((name) => h("li", {}, h("a", { href: `#/${name}`, "data-nav": name }, capital(name)))),
      ),
    );
  }
  showStatus(client.status);
  client.on("status", showStatus);
  // Errors of the whole client, such as a browser that forbids WebAssembly.
  client.on("error", ({ message, hint }) => toast(hint ? `${message} ${hint}` : message, "fault"));
  startTheme();
  // The router owns the hash: a plain jump to #main would be a route that does not exist.
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
  });
}

/** Marks the section of the current view, and sets the link of the second window to this view. */
export function markCurrent(section: string): void {
  for (const link of byId("nav").querySelectorAll("a")) {
    if (link.dataset.nav !== section) {
      link.removeAttribute("aria-current");
      continue;
    }
    link.setAttribute("aria-current", "page");
    // On a narrow screen the sections are one line that scrolls sideways.
    link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  byId("second").setAttribute("href", location.hash);
}

function showStatus(status: string): void {
  const element = byId("status");
  element.dataset.status = status;
  fill(element, STATUS_WORDS[status] ?? status);
}

function startTheme(): void {
  const button = byId("theme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Switch to the light theme" : "Switch to the dark theme");
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // If storage is forbidden, the choice lasts until the window is closed.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
