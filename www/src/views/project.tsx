import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { act, create, order, type ProjectAction, remove, update } from "../api.ts";
import { ActionButton } from "../components/buttons.tsx";
import { asOptions } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Fact, RecordCard } from "../components/record.tsx";
import { Table } from "../components/table.tsx";
import { Part, RecordView } from "../components/view.tsx";
import * as queries from "../queries.ts";
import type { Assignment, PersonRow, Project as ProjectBase, ProjectDetail } from "../records.ts";
import { projectFields, Status } from "./projects.tsx";

export function Project({ uuid }: { uuid: string }) {
  const people = useQuery(queries.people);
  const tasks = useQuery(queries.tasks);
  return (
    <RecordView
      back={{ href: "#/projects", label: "Projects", noun: "project" }}
      query={useQuery(queries.project(uuid))}
    >
      {(project) => (
        <>
          <RecordCard
            noun="project"
            path="projects"
            home="/projects"
            title={project.name}
            record={project}
            fields={[
              ...projectFields(people.data),
              { name: "is_template", label: "Is a template for other projects", kind: "flag" },
            ]}
            warning="Its assignments are deleted too."
            actions={possible(project).map((action) => (
              <ActionButton
                key={action}
                className="quiet"
                testid={`action-${action}`}
                run={() => act(uuid, action)}
              >
                {action.charAt(0).toUpperCase() + action.slice(1)}
              </ActionButton>
            ))}
          >
            <Fact name="status" label="Status">
              <Status project={project} />
            </Fact>
            <Fact name="summary" label="Summary">
              {project.summary}
            </Fact>
            <Fact name="lead" label="Lead">
              {project.lead_uuid && <a href={`#/people/${project.lead_uuid}`}>{project.lead_name}</a>}
            </Fact>
          </RecordCard>
          <Part title="Assignments">
            <Assignments project={project} people={people.data ?? []} />
            <AddForm
              title="Add a task"
              testid="add-assignment"
              fields={[
                {
                  name: "task_uuid",
                  label: "Task",
                  kind: "select",
                  required: true,
                  options: tasks.data?.map(({ uuid, title }) => ({ value: uuid, label: title })) ?? [],
                },
                {
                  name: "person_uuid",
                  label: "Who",
                  kind: "select",
                  none: "Nobody yet",
                  options: asOptions(people.data),
                },
              ]}
              add={(values) => create("assignments", { ...values, project_uuid: uuid })}
            />
          </Part>
        </>
      )}
    </RecordView>
  );
}

/** The actions that a project allows. The API has the same rules. */
function possible({ status, is_archived }: ProjectBase): ProjectAction[] {
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

/** A project's assignments. The user ticks, assigns, moves and removes them. */
function Assignments({ project, people }: { project: ProjectDetail; people: PersonRow[] }) {
  const { assignments } = project;
  const change = useOptimisticChange(project.uuid);
  const places = new Map(assignments.map(({ uuid }, at) => [uuid, at]));
  const placeOf = ({ uuid }: Assignment) => places.get(uuid) ?? 0;
  const move = (assignment: Assignment, by: number) => {
    const at = placeOf(assignment);
    const uuids = assignments.map(({ uuid }) => uuid);
    return order(project.uuid, uuids.toSpliced(at, 1).toSpliced(at + by, 0, assignment.uuid));
  };
  return (
    <Table
      testid="assignments"
      caption="Assignments in their order"
      empty="Nothing to do yet."
      rows={assignments}
      news={(one) => [one.title, one.person_uuid, one.is_done, placeOf(one)]}
      columns={[
        {
          head: "Done",
          cell: ({ uuid, title, is_done }) => (
            <input
              type="checkbox"
              aria-label={`${title} is done`}
              checked={is_done}
              onChange={({ target }) => change.mutate({ uuid, is_done: target.checked })}
            />
          ),
        },
        { head: "Task", cell: ({ task_uuid, title }) => <a href={`#/tasks/${task_uuid}`}>{title}</a> },
        {
          head: "Who",
          cell: ({ uuid, title, person_uuid }) => (
            <select
              aria-label={`Who does ${title}`}
              value={person_uuid ?? ""}
              onChange={({ target }) => change.mutate({ uuid, person_uuid: target.value || null })}
            >
              <option value="">Nobody</option>
              {people.map((person) => (
                <option key={person.uuid} value={person.uuid}>
                  {person.name}
                </option>
              ))}
            </select>
          ),
        },
        {
          head: "",
          kind: "actions",
          cell: (one) => (
            <span className="actions">
              <ActionButton
                label={`Move ${one.title} up`}
                isDisabled={placeOf(one) === 0}
                run={() => move(one, -1)}
              >
                ↑
              </ActionButton>
              <ActionButton
                label={`Move ${one.title} down`}
                isDisabled={placeOf(one) === assignments.length - 1}
                run={() => move(one, 1)}
              >
                ↓
              </ActionButton>
              <ActionButton label={`Remove ${one.title}`} run={() => remove(`assignments/${one.uuid}`)}>
                Remove
              </ActionButton>
            </span>
          ),
        },
      ]}
    />
  );
}

type Change = { uuid: string } & Partial<Pick<Assignment, "is_done" | "person_uuid">>;

/**
 * Shows a change of an assignment at once, then stores it. The event of the write causes no load, by the query's `skipOwn`.
 * If the write fails, or may have failed, the stored data is loaded.
 */
function useOptimisticChange(project: string) {
  const queryClient = useQueryClient();
  const { queryKey } = queries.project(project);
  return useMutation({
    mutationFn: ({ uuid, ...change }: Change) => update(`assignments/${uuid}`, change),
    onMutate: async ({ uuid, ...change }) => {
      // A load that runs would put the old value back.
      await queryClient.cancelQueries({ queryKey });
      queryClient.setQueryData(queryKey, (shown) => {
        const assignments = shown?.assignments.map((one) =>
          one.uuid === uuid ? { ...one, ...change } : one,
        );
        return shown && assignments && { ...shown, assignments };
      });
    },
    onError: () => queryClient.invalidateQueries({ queryKey }),
  });
}
