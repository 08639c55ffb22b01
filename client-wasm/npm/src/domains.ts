// Generated from the Rust definitions of the domains. Do not edit.

/** A change in the catalogue. */
export interface CatalogueChangePayload {
  /** What kind of record changed. */
  kind: "catalogue" | "category" | "item" | "manufacturer" | "supplier" | "smart_rule" | "links" | (string & {});
  /** Which record; `null` when no single one changed, as in a bulk sync of links. */
  uuid?: string | null;
  /** The catalogue that holds the record, so that the page of another one can ignore the event. */
  parent?: string | null;
}

/**
 * - `data_changed`: Something changed.
 */
export interface CatalogueOnChange {
  domain: "catalogue";
  event: "data_changed";
  payload: CatalogueChangePayload;
}

/** What happens to the catalogue. No record data: prices and the like stay behind the application's own API. */
export type CatalogueEvent = CatalogueOnChange;

/** A department. */
export interface StaffDepartmentPayload {
  /** Which one. */
  uuid: string;
}

/** A team and where it belongs. */
export interface StaffTeamPayload {
  /** Which one. */
  uuid: string;
  /** The department that it belongs to, if any. */
  department_uuid?: string | null;
  /** When it moved: the department that it belonged to before. */
  previous_department_uuid?: string | null;
}

/** A person. */
export interface StaffPersonPayload {
  /** Which one. */
  uuid: string;
}

/** A person's place in a team. */
export interface StaffMembershipPayload {
  /** The membership itself, where it has an identity of its own. */
  uuid?: string | null;
  /** The team. */
  team_uuid: string;
  /** The person. */
  staff_person_uuid: string;
}

/**
 * - `department_created`: A department is new.
 * - `department_updated`: A department changed.
 * - `department_deleted`: A department is gone.
 */
export interface StaffOnDepartment {
  domain: "staff";
  event: "department_created" | "department_updated" | "department_deleted";
  payload: StaffDepartmentPayload;
}

/**
 * - `team_created`: A team is new.
 * - `team_updated`: A team changed or moved.
 * - `team_deleted`: A team is gone.
 */
export interface StaffOnTeam {
  domain: "staff";
  event: "team_created" | "team_updated" | "team_deleted";
  payload: StaffTeamPayload;
}

/**
 * - `person_created`: A person is new.
 * - `person_updated`: A person changed.
 * - `person_deleted`: A person is gone.
 */
export interface StaffOnPerson {
  domain: "staff";
  event: "person_created" | "person_updated" | "person_deleted";
  payload: StaffPersonPayload;
}

/**
 * - `team_person_added`: A person joined a team.
 * - `team_person_removed`: A person left a team.
 */
export interface StaffOnMembership {
  domain: "staff";
  event: "team_person_added" | "team_person_removed";
  payload: StaffMembershipPayload;
}

/** What happens to staff. */
export type StaffEvent =
  | StaffOnDepartment
  | StaffOnTeam
  | StaffOnPerson
  | StaffOnMembership;

/** The events that `staff:departments` can bring. */
export type StaffDepartmentsEvent = StaffOnDepartment;

/** The events that `staff:teams` can bring. */
export type StaffTeamsEvent =
  | StaffOnTeam
  | StaffOnMembership;

/** The events that `staff:people` can bring. */
export type StaffPeopleEvent =
  | StaffOnPerson
  | StaffOnMembership;

/** The events that `staff:department:{uuid}` can bring. */
export type StaffDepartmentEvent =
  | StaffOnDepartment
  | StaffOnTeam;

/** The events that `staff:team:{uuid}` can bring. */
export type StaffTeamEvent =
  | StaffOnTeam
  | StaffOnMembership;

/** The events that `staff:person:{uuid}` can bring. */
export type StaffPersonEvent =
  | StaffOnPerson
  | StaffOnMembership;

/** A project, or the template of one. */
export interface ProjectsProjectPayload {
  /** Which one. */
  uuid: string;
  /** Whether it is a template. */
  is_template?: boolean | null;
}

/** A task of the library. */
export interface ProjectsTaskPayload {
  /** Which one. */
  uuid: string;
}

/** A task's place in a project. */
export interface ProjectsAssignmentPayload {
  /** Which one; none when the order of several changed. */
  uuid?: string | null;
  /** The project that it belongs to. */
  project_uuid: string;
}

/** One assignment waits for another. */
export interface ProjectsDependencyPayload {
  /** The assignment that waits. */
  assignment_uuid?: string | null;
  /** The assignment that it waits for. */
  depends_on_uuid?: string | null;
  /** The project that both belong to. */
  project_uuid: string;
}

/**
 * - `project_created`: A project is new.
 * - `project_updated`: A project changed.
 * - `project_deleted`: A project is gone.
 * - `project_started`: Work on a project began.
 * - `project_completed`: A project is done.
 * - `project_reopened`: A project that was done goes on.
 * - `project_archived`: A project was put away.
 * - `project_unarchived`: A project was taken out of the archive.
 * - `project_status_changed`: A project's status changed in a way that has no event of its own.
 */
export interface ProjectsOnProject {
  domain: "projects";
  event: "project_created" | "project_updated" | "project_deleted" | "project_started" | "project_completed" | "project_reopened" | "project_archived" | "project_unarchived" | "project_status_changed";
  payload: ProjectsProjectPayload;
}

/**
 * - `task_created`: A task is new.
 * - `task_updated`: A task changed.
 * - `task_deleted`: A task is gone.
 */
export interface ProjectsOnTask {
  domain: "projects";
  event: "task_created" | "task_updated" | "task_deleted";
  payload: ProjectsTaskPayload;
}

/**
 * - `assignment_created`: A project has a new assignment.
 * - `assignment_updated`: An assignment changed.
 * - `assignment_deleted`: An assignment is gone.
 * - `assignment_reordered`: A project's assignments are in another order.
 */
export interface ProjectsOnAssignment {
  domain: "projects";
  event: "assignment_created" | "assignment_updated" | "assignment_deleted" | "assignment_reordered";
  payload: ProjectsAssignmentPayload;
}

/**
 * - `dependency_added`: An assignment waits for another.
 * - `dependency_removed`: An assignment no longer waits for another.
 */
export interface ProjectsOnDependency {
  domain: "projects";
  event: "dependency_added" | "dependency_removed";
  payload: ProjectsDependencyPayload;
}

/** What happens to projects. */
export type ProjectsEvent =
  | ProjectsOnProject
  | ProjectsOnTask
  | ProjectsOnAssignment
  | ProjectsOnDependency;

/** The events that `projects:all` can bring. */
export type ProjectsAllEvent =
  | ProjectsOnProject
  | ProjectsOnTask
  | ProjectsOnAssignment
  | ProjectsOnDependency;

/** The events that `projects:tasks` can bring. */
export type ProjectsTasksEvent = ProjectsOnTask;

/** The events that `projects:templates` can bring. */
export type ProjectsTemplatesEvent = ProjectsOnProject;

/** The events that `projects:project:{uuid}` can bring. */
export type ProjectsProjectEvent =
  | ProjectsOnProject
  | ProjectsOnAssignment
  | ProjectsOnDependency;

/** The payload, and the contacts that it goes to; these steer the fan-out and are never part of the payload. */
export interface CrmNoticePayload {
  /** The interaction. */
  interaction_uuid: string;
}

/**
 * - `interaction_created`: An interaction is new.
 * - `interaction_updated`: An interaction changed; it reaches those involved before and those involved now.
 * - `interaction_deleted`: An interaction is gone.
 */
export interface CrmOnNotice {
  domain: "crm";
  event: "interaction_created" | "interaction_updated" | "interaction_deleted";
  payload: CrmNoticePayload;
}

/** What happens to interactions. */
export type CrmEvent = CrmOnNotice;

/** The events that `crm:contact:{uuid}:interactions` can bring. */
export type CrmInteractionsEvent = CrmOnNotice;

/** A record was written. */
export interface StoreUpsertedPayload {
  /** The schema. */
  schema: string;
  /** The record's key, as text. */
  key: string;
  /** The record, as the caller types it. */
  record: unknown;
}

/** A record was removed. */
export interface StoreDeletedPayload {
  /** The schema. */
  schema: string;
  /** The record's key, as text. */
  key: string;
}

/**
 * - `upserted`: A record was written.
 */
export interface StoreOnUpserted {
  domain: "store";
  event: "upserted";
  payload: StoreUpsertedPayload;
}

/**
 * - `deleted`: A record was removed.
 */
export interface StoreOnDeleted {
  domain: "store";
  event: "deleted";
  payload: StoreDeletedPayload;
}

/** What happens in a store whose records are `R`. */
export type StoreEvent =
  | StoreOnUpserted
  | StoreOnDeleted;

/** The events that `store:{schema}` can bring. */
export type StoreSchemaEvent =
  | StoreOnUpserted
  | StoreOnDeleted;

/** The domains that refuse undeclared payload keys. */
export type ClosedDomain =
  | "catalogue"
  | "crm";

/** The events that each topic can bring. Augment it with the topics of your own domains. */
export interface Topics {
  /** Everything. */
  catalogue: CatalogueEvent;
  /** All departments. */
  "staff:departments": StaffDepartmentsEvent;
  /** All teams. */
  "staff:teams": StaffTeamsEvent;
  /** All people. */
  "staff:people": StaffPeopleEvent;
  /** One department, with the teams in it. */
  [topic: `staff:department:${string}`]: StaffDepartmentEvent;
  /** One team, with its members. */
  [topic: `staff:team:${string}`]: StaffTeamEvent;
  /** One person, with their memberships. */
  [topic: `staff:person:${string}`]: StaffPersonEvent;
  /** Everything. */
  "projects:all": ProjectsAllEvent;
  /** The task library. */
  "projects:tasks": ProjectsTasksEvent;
  /** Project templates. */
  "projects:templates": ProjectsTemplatesEvent;
  /** One project, with its assignments and dependencies. */
  [topic: `projects:project:${string}`]: ProjectsProjectEvent;
  /** The interactions of one contact. */
  [topic: `crm:contact:${string}:interactions`]: CrmInteractionsEvent;
  /** One schema. */
  [topic: `store:${string}`]: StoreSchemaEvent;
}

/** Refuses a missing value, which would build a topic without events. */
function segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\[object .*\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === "" ? "empty" : value}: build the topic when it is known.`);
}

/** Builds topics: `topic.staff.person(id)`. */
export const topic = {
  /** Where catalogue events appear. */
  catalogue: "catalogue",
  /** Where staff events appear: three lists, and one topic for each record. */
  staff: {
    /** All departments. */
    departments: "staff:departments",
    /** All teams. */
    teams: "staff:teams",
    /** All people. */
    people: "staff:people",
    /** One department, with the teams in it. */
    department: (uuid: string) => `staff:department:${segment("`uuid` of staff:department:{uuid}", uuid)}` as const,
    /** One team, with its members. */
    team: (uuid: string) => `staff:team:${segment("`uuid` of staff:team:{uuid}", uuid)}` as const,
    /** One person, with their memberships. */
    person: (uuid: string) => `staff:person:${segment("`uuid` of staff:person:{uuid}", uuid)}` as const,
  },
  /** Where project events appear. */
  projects: {
    /** Everything. */
    all: "projects:all",
    /** The task library. */
    tasks: "projects:tasks",
    /** Project templates. */
    templates: "projects:templates",
    /** One project, with its assignments and dependencies. */
    project: (uuid: string) => `projects:project:${segment("`uuid` of projects:project:{uuid}", uuid)}` as const,
  },
  /** Where interactions appear. */
  crm: {
    /** The interactions of one contact. */
    interactions: (uuid: string) => `crm:contact:${segment("`uuid` of crm:contact:{uuid}:interactions", uuid)}:interactions` as const,
  },
  /** Where a store's changes appear, unless the publisher names topics of its own. */
  store: {
    /** One schema. */
    schema: (schema: string) => `store:${segment("`schema` of store:{schema}", schema)}` as const,
  },
} as const;
