import { useQuery } from "@tanstack/react-query";
import { create } from "../api.ts";
import type { Field } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Fact, RecordCard } from "../components/record.tsx";
import { Table } from "../components/table.tsx";
import { ListView, Part, RecordView } from "../components/view.tsx";
import * as queries from "../queries.ts";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "description", label: "Description", kind: "prose" },
];

const TEAM_FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "purpose", label: "Purpose", kind: "prose" },
];

export function Departments() {
  return (
    <ListView title="Departments" query={useQuery(queries.departments)}>
      {(departments) => (
        <>
          <AddForm
            title="New department"
            testid="add-department"
            fields={FIELDS}
            add={(values) => create("departments", values)}
          />
          <Table
            testid="departments"
            caption="Departments"
            empty="There are no departments yet. Add the first one."
            rows={departments}
            columns={[
              { head: "Name", cell: ({ uuid, name }) => <a href={`#/departments/${uuid}`}>{name}</a> },
              { head: "Description", cell: ({ description }) => description },
              { head: "Teams", kind: "number", cell: ({ teams }) => teams },
            ]}
          />
        </>
      )}
    </ListView>
  );
}

export function Department({ uuid }: { uuid: string }) {
  return (
    <RecordView
      back={{ href: "#/departments", label: "Departments", noun: "department" }}
      query={useQuery(queries.department(uuid))}
    >
      {(department) => (
        <>
          <RecordCard
            noun="department"
            path="departments"
            home="/departments"
            title={department.name}
            record={department}
            fields={FIELDS}
            warning="Its teams stay, without a department."
          >
            <Fact name="description" label="Description">
              {department.description}
            </Fact>
          </RecordCard>
          <Part title="Teams">
            <Table
              testid="department-teams"
              caption="Teams of this department"
              empty="No team belongs to this department."
              rows={department.teams}
              columns={[
                { head: "Name", cell: ({ uuid, name }) => <a href={`#/teams/${uuid}`}>{name}</a> },
                { head: "Purpose", cell: ({ purpose }) => purpose },
                { head: "Members", kind: "number", cell: ({ members }) => members },
              ]}
            />
            <AddForm
              title="New team in this department"
              testid="add-team"
              fields={TEAM_FIELDS}
              add={(values) => create("teams", { ...values, department_uuid: uuid })}
            />
          </Part>
        </>
      )}
    </RecordView>
  );
}
