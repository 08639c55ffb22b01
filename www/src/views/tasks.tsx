import { useQuery } from "@tanstack/react-query";
import { create } from "../api.ts";
import type { Field } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Fact, RecordCard } from "../components/record.tsx";
import { Table } from "../components/table.tsx";
import { ListView, Part, RecordView } from "../components/view.tsx";
import { words } from "../format.ts";
import * as queries from "../queries.ts";

const FIELDS: Field[] = [
  { name: "title", label: "Title", kind: "line", required: true },
  { name: "notes", label: "Notes", kind: "prose" },
];

export function Tasks() {
  return (
    <ListView title="Task library" query={useQuery(queries.tasks)}>
      {(tasks) => (
        <>
          <AddForm
            title="New task"
            testid="add-task"
            fields={FIELDS}
            add={(values) => create("tasks", values)}
          />
          <Table
            testid="tasks"
            caption="Tasks"
            empty="The library is empty. Add the first task."
            rows={tasks}
            columns={[
              { head: "Title", cell: ({ uuid, title }) => <a href={`#/tasks/${uuid}`}>{title}</a> },
              { head: "Notes", cell: ({ notes }) => notes },
              { head: "In projects", kind: "number", cell: ({ projects }) => projects },
            ]}
          />
        </>
      )}
    </ListView>
  );
}

export function Task({ uuid }: { uuid: string }) {
  return (
    <RecordView
      back={{ href: "#/tasks", label: "Task library", noun: "task" }}
      query={useQuery(queries.task(uuid))}
    >
      {(task) => (
        <>
          <RecordCard
            noun="task"
            path="tasks"
            home="/tasks"
            title={task.title}
            record={task}
            fields={FIELDS}
            warning="It disappears from every project that uses it."
          >
            <Fact name="notes" label="Notes">
              {task.notes}
            </Fact>
          </RecordCard>
          <Part title="Used in">
            <Table
              testid="task-projects"
              caption="Projects that use this task"
              empty="No project uses it."
              rows={task.projects}
              columns={[
                { head: "Project", cell: ({ uuid, name }) => <a href={`#/projects/${uuid}`}>{name}</a> },
                {
                  head: "Status",
                  cell: ({ is_template, status }) => (is_template ? "template" : words(status)),
                },
              ]}
            />
          </Part>
        </>
      )}
    </RecordView>
  );
}
