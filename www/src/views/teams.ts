import { staff } from "tidings/domains";
import { create, load, remove } from "../api.ts";
import { h } from "../h.ts";
import type { DepartmentRow, PersonRow, TeamDetail, TeamRow } from "../model.ts";
import type { Scene } from "../router.ts";
import type { Field } from "../ui/controls.ts";
import { attempt } from "../ui/dialog.ts";
import { asOptions, recordCard } from "../ui/record.ts";
import { table } from "../ui/table.ts";
import { addBox, section, view } from "../ui/view.ts";

export const TEAM_NAME_AND_PURPOSE: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "purpose", label: "Purpose", kind: "prose" },
];

const FIELDS: Field[] = [
  ...TEAM_NAME_AND_PURPOSE,
  { name: "department_uuid", label: "Department", kind: "select", none: "No department" },
];

const departmentLink = ({ department_uuid, department_name }: TeamRow | TeamDetail) =>
  department_uuid ? h("a", { href: `#/departments/${department_uuid}` }, department_name) : null;

export function teams(scene: Scene): void {
  const list = table<TeamRow>({
    testid: "teams",
    caption: "Teams",
    empty: "There are no teams yet. Add the first one.",
    columns: [
      { head: "Name", cell: ({ uuid, name }) => h("a", { href: `#/teams/${uuid}` }, name) },
      { head: "Department", cell: departmentLink },
      { head: "Members", kind: "number", cell: ({ members }) => members },
    ],
  });
  const box = addBox({
    title: "New team",
    testid: "add-team",
    fields: FIELDS,
    add: (values) => create("teams", values),
  });
  view(scene, {
    title: "Teams",
    topics: [staff.topics.teams, staff.topics.departments],
    load: (signal) =>
      Promise.all([load<TeamRow[]>("teams", signal), load<DepartmentRow[]>("departments", signal)]),
    content: [box.element, list.element],
    update: ([rows, departments]) => {
      list.update(rows);
      box.offer("department_uuid", asOptions(departments));
    },
  });
}

export function team(scene: Scene): void {
  const { uuid } = scene;
  const card = recordCard<TeamDetail>({
    noun: "team",
    path: "teams",
    home: "#/teams",
    title: ({ name }) => name,
    fields: FIELDS,
    shown: [
      { name: "purpose", label: "Purpose", of: ({ purpose }) => purpose },
      { name: "department", label: "Department", of: departmentLink },
    ],
    warning: "Its members stay in their other teams.",
  });
  const members = table<TeamDetail["members"][number]>({
    testid: "members",
    caption: "Members",
    empty: "Nobody is in this team.",
    columns: [
      { head: "Name", cell: (member) => h("a", { href: `#/people/${member.person_uuid}` }, member.name) },
      { head: "Role", cell: ({ role }) => role },
      {
        head: "",
        kind: "actions",
        cell: (member) => removeButton(member.uuid, `Remove ${member.name}`, "Remove"),
      },
    ],
  });
  const box = addBox({
    title: "Add a member",
    testid: "add-member",
    fields: [{ name: "person_uuid", label: "Person", kind: "select", required: true }],
    add: (values) => create("memberships", { ...values, team_uuid: uuid }),
  });
  view(scene, {
    back: { href: "#/teams", label: "Teams", noun: "team" },
    // The view shows the names of the department and of people, and offers all of them.
    topics: [staff.topics.team(uuid), staff.topics.departments, staff.topics.people],
    load: (signal) =>
      Promise.all([
        load<TeamDetail>(`teams/${uuid}`, signal),
        load<DepartmentRow[]>("departments", signal),
        load<PersonRow[]>("people", signal),
      ]),
    content: [card.element, section("Members", members.element, box.element)],
    update: ([data, departments, people]) => {
      card.offer("department_uuid", asOptions(departments));
      card.update(data);
      members.update(data.members);
      const inside = new Set(data.members.map((member) => member.person_uuid));
      box.offer("person_uuid", asOptions(people.filter((person) => !inside.has(person.uuid))));
    },
  });
}

/** A button that ends a membership. */
export function removeButton(membership: string, label: string, text: string): HTMLElement {
  const button = h("button", { type: "button", class: "quiet small", "aria-label": label }, text);
  button.addEventListener("click", () => void attempt(button, () => remove(`memberships/${membership}`)));
  return button;
}
