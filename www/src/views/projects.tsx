import { useQuery } from "@tanstack/react-query";
import { create } from "../api.ts";
import { asOptions, type Field } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Table } from "../components/table.tsx";
import { ListView, Part } from "../components/view.tsx";
import { words } from "../format.ts";
import * as queries from "../queries.ts";
import type { PersonRow, Project, ProjectRow } from "../records.ts";

export const projectFields = (people: PersonRow[] | undefined): Field[] => [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "summary", label: "Summary", kind: "prose" },
  { name: "lead_uuid", label: "Lead", kind: "select", none: "Nobody", options: asOptions(people) },
];

export function Projects() {
  const people = useQuery(queries.people);
  return (
    <ListView title="Projects" query={useQuery(queries.projects)}>
      {(all) => {
        const projects = all.filter(({ is_template }) => !is_template);
        const templates = all.filter(({ is_template }) => is_template);
        return (
          <>
            <AddForm
              title="New project"
              testid="add-project"
              fields={[
                ...projectFields(people.data),
                {
                  name: "template_uuid",
                  label: "Start from",
                  kind: "select",
                  none: "Nothing",
                  options: asOptions(templates),
                },
              ]}
              add={(values) => create("projects", values)}
            />
            <ProjectTable
              testid="projects"
              caption="Projects"
              empty="There are no projects yet. Add the first one."
              rows={projects.filter(({ is_archived }) => !is_archived)}
            />
            <Part title="Archive">
              <ProjectTable
                testid="archived-projects"
                caption="Archived projects"
                empty="Nothing is archived."
                rows={projects.filter(({ is_archived }) => is_archived)}
              />
            </Part>
          </>
        );
      }}
    </ListView>
  );
}

export function Templates() {
  const people = useQuery(queries.people);
  return (
    <ListView title="Templates" query={useQuery(queries.projects)}>
      {(all) => (
        <>
          <AddForm
            title="New template"
            testid="add-template"
            fields={projectFields(people.data)}
            add={(values) => create("projects", { ...values, is_template: true })}
          />
          <ProjectTable
            testid="templates"
            caption="Templates"
            empty="There are no templates yet. Add the first one."
            rows={all.filter(({ is_template }) => is_template)}
          />
        </>
      )}
    </ListView>
  );
}

interface ProjectTableProps {
  testid: string;
  caption: string;
  empty: string;
  rows: ProjectRow[];
}

function ProjectTable(props: ProjectTableProps) {
  return (
    <Table
      {...props}
      columns={[
        { head: "Name", cell: ({ uuid, name }) => <a href={`#/projects/${uuid}`}>{name}</a> },
        { head: "Status", cell: (project) => <Status project={project} /> },
        { head: "Lead", cell: ({ lead_name }) => lead_name },
        { head: "Done", kind: "number", cell: ({ done, assignments }) => `${done} of ${assignments}` },
      ]}
    />
  );
}

export function Status({ project }: { project: Project }) {
  const { status, is_archived, is_template } = project;
  const word = is_archived ? "archived" : is_template ? "template" : words(status);
  return <span className={`state ${is_archived ? "archived" : status}`}>{word}</span>;
}
