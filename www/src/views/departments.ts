import { staff } from "tidings/domains";
import { create, load } from "../api.ts";
import { h } from "../h.ts";
import type { DepartmentDetail, DepartmentRow } from "../model.ts";
import type { Scene } from "../router.ts";
import type { Field } from "../ui/controls.ts";
import { recordCard } from "../ui/record.ts";
import { table } from "../ui/table.ts";
import { addBox, section, view } from "../ui/view.ts";
import { TEAM_NAME_AND_PURPOSE } from "./teams.ts";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "description", label: "Description", kind: "prose" },
];

export function departments(scene: Scene): void {
  const list = table<DepartmentRow>({
    testid: "departments",
    caption: "Departments",
    empty: "There are no departments yet. Add the first one.",
    columns: [
      { head: "Name", cell: ({ uuid, name }) => h("a", { href: `#/departments/${uuid}` }, name) },
      { head: "Description", cell: ({ description }) => description },
      { head: "Teams", kind: "number", cell: ({ teams }) => teams },
    ],
  });
  const box = addBox({
    title: "New department",
    testid: "add-department",
    fields: FIELDS,
    add: (values) => create("departments", values),
  });
  view(scene, {
    title: "Departments",
    // The list shows the number of teams.
    topics: [staff.topics.departments, staff.topics.teams],
    load: (signal) => load<DepartmentRow[]>("departments", signal),
    content: [box.element, list.element],
    update: list.update,
  });
}

export function department(scene: Scene): void {
  const { uuid } = scene;
  const card = recordCard<DepartmentDetail>({
    noun: "department",
    path: "departments",
    home: "#/departments",
    title: ({ name }) => name,
    fields: FIELDS,
    shown: [{ name: "description", label: "Description", of: ({ description }) => description }],
    warning: "Its teams stay, without a department.",
  });
  const teams = table<DepartmentDetail["teams"][number]>({
    testid: "department-teams",
    caption: "Teams of this department",
    empty: "No team belongs to this department.",
    columns: [
      { head: "Name", cell: (team) => h("a", { href: `#/teams/${team.uuid}` }, team.name) },
      { head: "Purpose", cell: ({ purpose }) => purpose },
      { head: "Members", kind: "number", cell: ({ members }) => members },
    ],
  });
  const box = addBox({
    title: "New team in this department",
    testid: "add-team",
    fields: TEAM_NAME_AND_PURPOSE,
    add: (values) => create("teams", { ...values, department_uuid: uuid }),
  });
  view(scene, {
    back: { href: "#/departments", label: "Departments", noun: "department" },
    // The view shows the number of members. Events of memberships are on the topics of teams.
    topics: [staff.topics.department(uuid), staff.topics.teams],
    load: (signal) => load<DepartmentDetail>(`departments/${uuid}`, signal),
    content: [card.element, section("Teams", teams.element, box.element)],
    update: (data) => {
      card.update(data);
      teams.update(data.teams);
    },
  });
}
