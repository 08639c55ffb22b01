import * as domains from "tidings/domains";
import { create, load } from "../api.ts";
import { words } from "../format.ts";
import { h } from "../h.ts";
import type { TaskDetail, TaskRow } from "../model.ts";
import type { Scene } from "../router.ts";
import type { Field } from "../ui/controls.ts";
import { recordCard } from "../ui/record.ts";
import { table } from "../ui/table.ts";
import { addBox, section, view } from "../ui/view.ts";

const FIELDS: Field[] = [
  { name: "title", label: "Title", kind: "line", required: true },
  { name: "notes", label: "Notes", kind: "prose" },
];

export function tasks(scene: Scene): void {
  const list = table<TaskRow>({
    testid: "tasks",
    caption: "Tasks",
    empty: "The library is empty. Add the first task.",
    columns: [
      { head: "Title", cell: ({ uuid, title }) => h("a", { href: `#/tasks/${uuid}` }, title) },
      { head: "Notes", cell: ({ notes }) => notes },
      { head: "In projects", kind: "number", cell: ({ projects }) => projects },
    ],
  });
  const box = addBox({
    title: "New task",
    testid: "add-task",
    fields: FIELDS,
    add: (values) => create("tasks", values),
  });
  view(scene, {
    title: "Task library",
    // The list shows the projects of a task. Their events are on this topic.
    topics: [domains.projects.topics.all],
    load: (signal) => load<TaskRow[]>("tasks", signal),
    content: [box.element, list.element],
    update: list.update,
  });
}

export function task(scene: Scene): void {
  const { uuid } = scene;
  const card = recordCard<TaskDetail>({
    noun: "task",
    path: "tasks",
    home: "#/tasks",
    title: ({ title }) => title,
    fields: FIELDS,
    shown: [{ name: "notes", label: "Notes", of: ({ notes }) => notes }],
    warning: "It disappears from every project that uses it.",
  });
  const projects = table<TaskDetail["projects"][number]>({
    testid: "task-projects",
    caption: "Projects that use this task",
    empty: "No project uses it.",
    columns: [
      { head: "Project", cell: (project) => h("a", { href: `#/projects/${project.uuid}` }, project.name) },
      { head: "Status", cell: ({ is_template, status }) => (is_template ? "template" : words(status)) },
    ],
  });
  view(scene, {
    back: { href: "#/tasks", label: "Task library", noun: "task" },
    topics: [domains.projects.topics.all],
    load: (signal) => load<TaskDetail>(`tasks/${uuid}`, signal),
    content: [card.element, section("Used in", projects.element)],
    update: (data) => {
      card.update(data);
      projects.update(data.projects);
    },
  });
}
