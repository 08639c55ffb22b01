import { useQuery } from "@tanstack/react-query";
import { create, remove } from "../api.ts";
import { ActionButton } from "../components/buttons.tsx";
import { asOptions, type Field } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Fact, RecordCard } from "../components/record.tsx";
import { Table } from "../components/table.tsx";
import { ListView, Part, RecordView } from "../components/view.tsx";
import * as queries from "../queries.ts";
import type { DepartmentRow, TeamDetail, TeamRow } from "../records.ts";

const fieldsOf = (departments: DepartmentRow[] | undefined): Field[] => [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "purpose", label: "Purpose", kind: "prose" },
  {
    name: "department_uuid",
    label: "Department",
    kind: "select",
    none: "No department",
    options: asOptions(departments),
  },
];

const departmentLink = ({ department_uuid, department_name }: TeamRow | TeamDetail) =>
  department_uuid && <a href={`#/departments/${department_uuid}`}>{department_name}</a>;

export function Teams() {
  const departments = useQuery(queries.departments);
  return (
    <ListView title="Teams" query={useQuery(queries.teams)}>
      {(teams) => (
        <>
          <AddForm
            title="New team"
            testid="add-team"
            fields={fieldsOf(departments.data)}
            add={(values) => create("teams", values)}
          />
          <Table
            testid="teams"
            caption="Teams"
            empty="There are no teams yet. Add the first one."
            rows={teams}
            columns={[
              { head: "Name", cell: ({ uuid, name }) => <a href={`#/teams/${uuid}`}>{name}</a> },
              { head: "Department", cell: departmentLink },
              { head: "Members", kind: "number", cell: ({ members }) => members },
            ]}
          />
        </>
      )}
    </ListView>
  );
}

export function Team({ uuid }: { uuid: string }) {
  const departments = useQuery(queries.departments);
  const people = useQuery(queries.people);
  return (
    <RecordView back={{ href: "#/teams", label: "Teams", noun: "team" }} query={useQuery(queries.team(uuid))}>
      {(team) => (
        <>
          <RecordCard
            noun="team"
            path="teams"
            home="/teams"
            title={team.name}
            record={team}
            fields={fieldsOf(departments.data)}
            warning="Its members stay in their other teams."
          >
            <Fact name="purpose" label="Purpose">
              {team.purpose}
            </Fact>
            <Fact name="department" label="Department">
              {departmentLink(team)}
            </Fact>
          </RecordCard>
          <Part title="Members">
            <Table
              testid="members"
              caption="Members"
              empty="Nobody is in this team."
              rows={team.members}
              columns={[
                {
                  head: "Name",
                  cell: ({ person_uuid, name }) => <a href={`#/people/${person_uuid}`}>{name}</a>,
                },
                { head: "Role", cell: ({ role }) => role },
                {
                  head: "",
                  kind: "actions",
                  cell: ({ uuid, name }) => (
                    <ActionButton label={`Remove ${name}`} run={() => remove(`memberships/${uuid}`)}>
                      Remove
                    </ActionButton>
                  ),
                },
              ]}
            />
            <AddForm
              title="Add a member"
              testid="add-member"
              fields={[
                {
                  name: "person_uuid",
                  label: "Person",
                  kind: "select",
                  required: true,
                  options: asOptions(
                    people.data?.filter(
                      ({ uuid }) => !team.members.some(({ person_uuid }) => person_uuid === uuid),
                    ),
                  ),
                },
              ]}
              add={(values) => create("memberships", { ...values, team_uuid: uuid })}
            />
          </Part>
        </>
      )}
    </RecordView>
  );
}
