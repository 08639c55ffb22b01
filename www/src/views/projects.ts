import * as domains from "tidings/domains";
import { act, create, load, order, remove, update } from "../api.ts";
import { words } from "../format.ts";
import { fill, h } from "../h.ts";
import type {
  Assignment,
  PersonRow,
  Project,
  ProjectAction,
  ProjectDetail,
  ProjectRow,
  TaskRow,
} from "../model.ts";
import type { Scene } from "../router.ts";
import type { Field, Option } from "../ui/controls.ts";
import { attempt } from "../ui/dialog.ts";
import { asOptions, recordCard } from "../ui/record.ts";
import { table } from "../ui/table.ts";
import { addBox, section, view } from "../ui/view.ts";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "summary", label: "Summary", kind: "prose" },
  { name: "lead_uuid", label: "Lead", kind: "select", none: "Nobody" },
];

const TEMPLATE: Field = { name: "template_uuid", label: "Start from", kind: "select", none: "Nothing" };

/** The actions that a project allows. The API has the same rules. */
function possible({ status, is_archived }: Project): ProjectAction[] {
  if (is_archived) return ["unarchive"];
  switch (status) {
    case "planned":
      return ["start", "archive"];
    case "on_hold":
      return ["start", "archive"];
    case "active":
      return ["complete", "hold"];
    case "completed":
      return ["reopen", "archive"];
  }
}

const statusChip = ({ status, is_archived, is_template }: Project) => {
  const word = is_archived ? "archived" : is_template ? "template" : words(status);
  return h("span", { class: `state ${is_archived ? "archived" : status}` }, word);
};

function projectTable(testid: string, caption: string, empty: string) {
  return table<ProjectRow>({
    testid,
    caption,
    empty,
    columns: [
      { head: "Name", cell: ({ uuid, name }) => h("a", { href: `#/projects/${uuid}` }, name) },
      { head: "Status", cell: statusChip },
      { head: "Lead", cell: ({ lead_name }) => lead_name },
      { head: "Done", kind: "number", cell: ({ done, assignments }) => `${done} of ${assignments}` },
    ],
  });
}

const withOptions = (signal: AbortSignal) =>
  Promise.all([load<ProjectRow[]>("projects", signal), load<PersonRow[]>("people", signal)]);

export function projects(scene: Scene): void {
  const list = projectTable("projects", "Projects", "There are no projects yet. Add the first one.");
  const archive = projectTable("archived-projects", "Archived projects", "Nothing is archived.");
  const box = addBox({
    title: "New project",
    testid: "add-project",
    fields: [...FIELDS, TEMPLATE],
    add: (values) => create("projects", values),
  });
  view(scene, {
    title: "Projects",
    topics: [domains.projects.topics.all, domains.staff.topics.people],
    load: withOptions,
    content: [box.element, list.element, section("Archive", archive.element)],
    update: ([rows, people]) => {
      const own = rows.filter((row) => !row.is_template);
      list.update(own.filter((row) => !row.is_archived));
      archive.update(own.filter((row) => row.is_archived));
      box.offer("lead_uuid", asOptions(people));
      box.offer("template_uuid", asOptions(rows.filter((row) => row.is_template)));
    },
  });
}

export function templates(scene: Scene): void {
  const list = projectTable("templates", "Templates", "There are no templates yet. Add the first one.");
  const box = addBox({
    title: "New template",
    testid: "add-template",
    fields: FIELDS,
    add: (values) => create("projects", { ...values, is_template: true }),
  });
  view(scene, {
    title: "Templates",
    // The list shows the number of assignments. Their events are on the topic of all.
    topics: [domains.projects.topics.templates, domains.projects.topics.all, domains.staff.topics.people],
    load: withOptions,
    content: [box.element, list.element],
    update: ([rows, people]) => {
      list.update(rows.filter((row) => row.is_template));
      box.offer("lead_uuid", asOptions(people));
    },
  });
}

export function project(scene: Scene): void {
  const { uuid } = scene;
  const actions = h("div", { class: "actions", "data-testid": "project-actions" });
  const card = recordCard<ProjectDetail>({
    noun: "project",
    path: "projects",
    home: "#/projects",
    title: ({ name }) => name,
    fields: [...FIELDS, { name: "is_template", label: "Is a template for other projects", kind: "flag" }],
    shown: [
      { name: "status", label: "Status", of: statusChip },
      { name: "summary", label: "Summary", of: ({ summary }) => summary },
      {
        name: "lead",
        label: "Lead",
        of: ({ lead_uuid, lead_name }) => lead_uuid && h("a", { href: `#/people/${lead_uuid}` }, lead_name),
      },
    ],
    warning: "Its assignments are deleted too.",
    actions,
  });
  const steps = assignmentTable(uuid, () => shown.reload());
  const box = addBox({
    title: "Add a task",
    testid: "add-assignment",
    fields: [
      { name: "task_uuid", label: "Task", kind: "select", required: true },
      { name: "person_uuid", label: "Who", kind: "select", none: "Nobody yet" },
    ],
    add: (values) => create("assignments", { ...values, project_uuid: uuid }),
  });
  const shown = view(scene, {
    back: { href: "#/projects", label: "Projects", noun: "project" },
    topics: [
      domains.projects.topics.project(uuid),
      domains.projects.topics.tasks,
      domains.staff.topics.people,
    ],
    // The window that ticks a box or chooses a person shows it at once.
    skipOwn: ({ event }) => event === "assignment_updated",
    load: (signal) =>
      Promise.all([
        load<ProjectDetail>(`projects/${uuid}`, signal),
        load<PersonRow[]>("people", signal),
        load<TaskRow[]>("tasks", signal),
      ]),
    content: [card.element, section("Assignments", steps.element, box.element)],
    update: ([data, people, tasks]) => {
      card.offer("lead_uuid", asOptions(people));
      card.update(data);
      fill(actions, ...possible(data).map((action) => actionButton(uuid, action)));
      steps.update(data.assignments, asOptions(people));
      box.offer("person_uuid", asOptions(people));
      box.offer("task_uuid", asOptions(tasks.map((task) => ({ uuid: task.uuid, name: task.title }))));
    },
  });
}

function actionButton(uuid: string, action: ProjectAction): HTMLElement {
  const text = action.charAt(0).toUpperCase() + action.slice(1);
  const button = h("button", { type: "button", class: "quiet", "data-testid": `action-${action}` }, text);
  button.addEventListener("click", () => void attempt(button, () => act(uuid, action)));
  return button;
}

interface Step extends Assignment {
  people: Option[];
  at: number;
  last: boolean;
}

/** A project's assignments. The user ticks, assigns, moves and removes them. */
function assignmentTable(project: string, reload: () => void) {
  let steps: Step[] = [];
  const move = (uuid: string, by: number) => {
    const uuids = steps.map((step) => step.uuid);
    const at = uuids.indexOf(uuid);
    const moved = uuids.toSpliced(at, 1).toSpliced(at + by, 0, uuid);
    return order(project, moved);
  };
  const show = (now: Step[]): void => {
    steps = now;
    list.update(now);
  };
  /** Shows a change, then stores it. If that may have failed, it loads the stored data. */
  const set = (uuid: string, change: Partial<Assignment>) => {
    show(steps.map((step) => (step.uuid === uuid ? { ...step, ...change } : step)));
    return update(`assignments/${uuid}`, change).catch((error) => {
      reload();
      throw error;
    });
  };
  const button = (text: string, label: string, disabled: boolean, run: () => Promise<unknown>) => {
    const element = h(
      "button",
      { type: "button", class: "quiet small", "aria-label": label, disabled },
      text,
    );
    element.addEventListener("click", () => void attempt(element, run));
    return element;
  };
  const done = ({ uuid, title, is_done }: Step) => {
    const box = h("input", { type: "checkbox", checked: is_done, "aria-label": `${title} is done` });
    box.addEventListener("change", () => {
      void attempt(box, () => set(uuid, { is_done: box.checked }));
    });
    return box;
  };
  const who = ({ uuid, title, person_uuid, people }: Step) => {
    const select = h("select", { "aria-label": `Who does ${title}` });
    const options = people.map(({ value, label }) => h("option", { value }, label));
    fill(select, h("option", { value: "" }, "Nobody"), ...options);
    select.value = person_uuid ?? "";
    select.addEventListener("change", () => {
      void attempt(select, () => set(uuid, { person_uuid: select.value || null }));
    });
    return select;
  };
  const list = table<Step>({
    testid: "assignments",
    caption: "Assignments in their order",
    empty: "Nothing to do yet.",
    // A change of the offered people is no change of the row.
    news: ({ title, person_name, is_done, at }) => [title, person_name, is_done, at],
    columns: [
      { head: "Done", cell: done },
      { head: "Task", cell: ({ task_uuid, title }) => h("a", { href: `#/tasks/${task_uuid}` }, title) },
      { head: "Who", cell: who },
      {
        head: "",
        kind: "actions",
        cell: ({ uuid, title, at, last }) =>
          h(
            "span",
            { class: "actions" },
            button("↑", `Move ${title} up`, at === 0, () => move(uuid, -1)),
            button("↓", `Move ${title} down`, last, () => move(uuid, 1)),
            button("Remove", `Remove ${title}`, false, () => remove(`assignments/${uuid}`)),
          ),
      },
    ],
  });
  return {
    element: list.element,
    update(assignments: Assignment[], people: Option[]): void {
      const last = assignments.length - 1;
      show(assignments.map((a, at) => ({ ...a, people, at, last: at === last })));
    },
  };
}
