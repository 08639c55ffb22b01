import { staff } from "tidings/domains";
import { create, load } from "../api.ts";
import { h } from "../h.ts";
import type { PersonDetail, PersonRow, TeamRow } from "../model.ts";
import type { Scene } from "../router.ts";
import type { Field } from "../ui/controls.ts";
import { asOptions, recordCard } from "../ui/record.ts";
import { table } from "../ui/table.ts";
import { addBox, section, view } from "../ui/view.ts";
import { removeButton } from "./teams.ts";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "role", label: "Role", kind: "line" },
  { name: "email", label: "E-mail", kind: "email" },
];

export function people(scene: Scene): void {
  const list = table<PersonRow>({
    testid: "people",
    caption: "People",
    empty: "There are no people yet. Add the first one.",
    columns: [
      { head: "Name", cell: ({ uuid, name }) => h("a", { href: `#/people/${uuid}` }, name) },
      { head: "Role", cell: ({ role }) => role },
      { head: "Teams", cell: ({ team_names }) => team_names },
    ],
  });
  const box = addBox({
    title: "New person",
    testid: "add-person",
    fields: FIELDS,
    add: (values) => create("people", values),
  });
  view(scene, {
    title: "People",
    // The list shows the names of the teams.
    topics: [staff.topics.people, staff.topics.teams],
    load: (signal) => load<PersonRow[]>("people", signal),
    content: [box.element, list.element],
    update: list.update,
  });
}

export function person(scene: Scene): void {
  const { uuid } = scene;
  const card = recordCard<PersonDetail>({
    noun: "person",
    path: "people",
    home: "#/people",
    title: ({ name }) => name,
    fields: FIELDS,
    shown: [
      { name: "role", label: "Role", of: ({ role }) => role },
      { name: "email", label: "E-mail", of: ({ email }) => email },
    ],
    warning: "They leave their teams. Their projects and assignments stay, without a person.",
  });
  const teams = table<PersonDetail["teams"][number]>({
    testid: "person-teams",
    caption: "Teams of this person",
    empty: "In no team.",
    columns: [
      { head: "Team", cell: (team) => h("a", { href: `#/teams/${team.team_uuid}` }, team.name) },
      { head: "Purpose", cell: ({ purpose }) => purpose },
      { head: "", kind: "actions", cell: (team) => removeButton(team.uuid, `Leave ${team.name}`, "Leave") },
    ],
  });
  const box = addBox({
    title: "Join a team",
    testid: "join-team",
    fields: [{ name: "team_uuid", label: "Team", kind: "select", required: true }],
    submit: "Join",
    add: (values) => create("memberships", { ...values, person_uuid: uuid }),
  });
  view(scene, {
    back: { href: "#/people", label: "People", noun: "person" },
    topics: [staff.topics.person(uuid), staff.topics.teams],
    load: (signal) =>
      Promise.all([load<PersonDetail>(`people/${uuid}`, signal), load<TeamRow[]>("teams", signal)]),
    content: [card.element, section("Teams", teams.element, box.element)],
    update: ([data, all]) => {
      card.update(data);
      teams.update(data.teams);
      const joined = new Set(data.teams.map((team) => team.team_uuid));
      box.offer("team_uuid", asOptions(all.filter((team) => !joined.has(team.uuid))));
    },
  });
}
