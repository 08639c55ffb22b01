import { useQuery } from "@tanstack/react-query";
import { create, remove } from "../api.ts";
import { ActionButton } from "../components/buttons.tsx";
import { asOptions, type Field } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Fact, RecordCard } from "../components/record.tsx";
import { Table } from "../components/table.tsx";
import { ListView, Part, RecordView } from "../components/view.tsx";
import * as queries from "../queries.ts";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "role", label: "Role", kind: "line" },
  { name: "email", label: "E-mail", kind: "email" },
];

export function People() {
  return (
    <ListView title="People" query={useQuery(queries.people)}>
      {(people) => (
        <>
          <AddForm
            title="New person"
            testid="add-person"
            fields={FIELDS}
            add={(values) => create("people", values)}
          />
          <Table
            testid="people"
            caption="People"
            empty="There are no people yet. Add the first one."
            rows={people}
            columns={[
              { head: "Name", cell: ({ uuid, name }) => <a href={`#/people/${uuid}`}>{name}</a> },
              { head: "Role", cell: ({ role }) => role },
              { head: "Teams", cell: ({ team_names }) => team_names },
            ]}
          />
        </>
      )}
    </ListView>
  );
}

export function Person({ uuid }: { uuid: string }) {
  const teams = useQuery(queries.teams);
  return (
    <RecordView
      back={{ href: "#/people", label: "People", noun: "person" }}
      query={useQuery(queries.person(uuid))}
    >
      {(person) => (
        <>
          <RecordCard
            noun="person"
            path="people"
            home="/people"
            title={person.name}
            record={person}
            fields={FIELDS}
            warning="They leave their teams. Their projects and assignments stay, without a person."
          >
            <Fact name="role" label="Role">
              {person.role}
            </Fact>
            <Fact name="email" label="E-mail">
              {person.email}
            </Fact>
          </RecordCard>
          <Part title="Teams">
            <Table
              testid="person-teams"
              caption="Teams of this person"
              empty="In no team."
              rows={person.teams}
              columns={[
                { head: "Team", cell: (team) => <a href={`#/teams/${team.team_uuid}`}>{team.name}</a> },
                { head: "Purpose", cell: ({ purpose }) => purpose },
                {
                  head: "",
                  kind: "actions",
                  cell: ({ uuid, name }) => (
                    <ActionButton label={`Leave ${name}`} run={() => remove(`memberships/${uuid}`)}>
                      Leave
                    </ActionButton>
                  ),
                },
              ]}
            />
            <AddForm
              title="Join a team"
              testid="join-team"
              fields={[
                {
                  name: "team_uuid",
                  label: "Team",
                  kind: "select",
                  required: true,
                  options: asOptions(
                    teams.data?.filter(
                      ({ uuid }) => !person.teams.some(({ team_uuid }) => team_uuid === uuid),
                    ),
                  ),
                },
              ]}
              submit="Join"
              add={(values) => create("memberships", { ...values, person_uuid: uuid })}
            />
          </Part>
        </>
      )}
    </RecordView>
  );
}
