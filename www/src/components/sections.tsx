import { useEffect, useRef } from "react";
import { useHashLocation } from "wouter/use-hash-location";

const SECTIONS = [
  { title: "Staff", links: ["people", "teams", "departments"] },
  { title: "Projects", links: ["projects", "templates", "tasks"] },
  { title: "Catalogue", links: ["catalogues", "manufacturers"] },
  { title: "CRM", links: ["contacts"] },
  { title: "Bridge", links: ["links"] },
];

/** The section of a view, if it is not the first part of its address. */
const HOME: Record<string, string> = { items: "catalogues" };

export function Sections() {
  const [path] = useHashLocation();
  const [, view = ""] = path.split("/");
  const current = HOME[view] ?? view;
  return (
    <nav className="side" aria-label="Sections">
      {SECTIONS.map(({ title, links }) => (
        <section key={title}>
          <h2 id={`nav-${title}`}>{title}</h2>
          <ul aria-labelledby={`nav-${title}`}>
            {links.map((name) => (
              <li key={name}>
                <SectionLink name={name} isCurrent={name === current} />
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}

function SectionLink({ name, isCurrent }: { name: string; isCurrent: boolean }) {
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    // On a narrow screen the sections are one line that scrolls sideways.
    if (isCurrent) link.current?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }, [isCurrent]);
  return (
    <a ref={link} href={`#/${name}`} aria-current={isCurrent ? "page" : undefined}>
      {name.charAt(0).toUpperCase() + name.slice(1)}
    </a>
  );
}
