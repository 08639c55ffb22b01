// Generated from the Rust definitions of the domains. Do not edit.

/** A change in the catalogue. */
export interface CatalogueChangePayload {
  /** The kind of record that changed. */
  kind: "catalogue" | "category" | "item" | "manufacturer" | "supplier" | "smart_rule" | "links" | (string & {});
  /** The record that changed. `null` if several changed, for example in a bulk import of links. */
  uuid?: string | null;
  /** The catalogue that contains the record, so that the page of another catalogue can ignore the event. */
  parent?: string | null;
}

/**
 * - `data_changed`: A record changed.
 */
export interface CatalogueOnChange {
  domain: "catalogue";
  event: "data_changed";
  payload: CatalogueChangePayload;
}

/** The changes of the catalogue. Data such as prices stays behind the application's own API. */
export type CatalogueEvent = CatalogueOnChange;

/** A department. */
export interface StaffDepartmentPayload {
  /** The department's id. */
  uuid: string;
}

/** A team and its department. */
export interface StaffTeamPayload {
  /** The team's id. */
  uuid: string;
  /** Its department, if any. */
  department_uuid?: string | null;
  /** Its department before it moved. */
  previous_department_uuid?: string | null;
}

/** A person. */
export interface StaffPersonPayload {
  /** The person's id. */
  uuid: string;
}

/** A person's membership in a team. */
export interface StaffMembershipPayload {
  /** The membership's id, if it has one. */
  uuid?: string | null;
  /** The team. */
  team_uuid: string;
  /** The person. */
  staff_person_uuid: string;
}

/**
 * - `department_created`: A department was created.
 * - `department_updated`: A department changed.
 * - `department_deleted`: A department was deleted.
 */
export interface StaffOnDepartment {
  domain: "staff";
  event: "department_created" | "department_updated" | "department_deleted";
  payload: StaffDepartmentPayload;
}

/**
 * - `team_created`: A team was created.
 * - `team_updated`: A team changed or moved.
 * - `team_deleted`: A team was deleted.
 */
export interface StaffOnTeam {
  domain: "staff";
  event: "team_created" | "team_updated" | "team_deleted";
  payload: StaffTeamPayload;
}

/**
 * - `person_created`: A person was created.
 * - `person_updated`: A person changed.
 * - `person_deleted`: A person was deleted.
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

/** The changes of staff. */
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

/** A project or a project template. */
export interface ProjectsProjectPayload {
  /** The project's id. */
  uuid: string;
  /** Whether it is a template. */
  is_template?: boolean | null;
}

/** A task of the library. */
export interface ProjectsTaskPayload {
  /** The task's id. */
  uuid: string;
}

/** An assignment of a task to a project. */
export interface ProjectsAssignmentPayload {
  /** The assignment. Absent if the order of several changed. */
  uuid?: string | null;
  /** Its project. */
  project_uuid: string;
}

/** A dependency between two assignments. */
export interface ProjectsDependencyPayload {
  /** The assignment that waits. */
  assignment_uuid?: string | null;
  /** The assignment that it waits for. */
  depends_on_uuid?: string | null;
  /** The project of both. */
  project_uuid: string;
}

/**
 * - `project_created`: A project was created.
 * - `project_updated`: A project changed.
 * - `project_deleted`: A project was deleted.
 * - `project_started`: Work on a project began.
 * - `project_completed`: A project was completed.
 * - `project_reopened`: A completed project was reopened.
 * - `project_archived`: A project was archived.
 * - `project_unarchived`: A project was taken out of the archive.
 * - `project_status_changed`: A project's status changed, and no other event describes the change.
 */
export interface ProjectsOnProject {
  domain: "projects";
  event: "project_created" | "project_updated" | "project_deleted" | "project_started" | "project_completed" | "project_reopened" | "project_archived" | "project_unarchived" | "project_status_changed";
  payload: ProjectsProjectPayload;
}

/**
 * - `task_created`: A task was created.
 * - `task_updated`: A task changed.
 * - `task_deleted`: A task was deleted.
 */
export interface ProjectsOnTask {
  domain: "projects";
  event: "task_created" | "task_updated" | "task_deleted";
  payload: ProjectsTaskPayload;
}

/**
 * - `assignment_created`: An assignment was created.
 * - `assignment_updated`: An assignment changed.
 * - `assignment_deleted`: An assignment was deleted.
 * - `assignment_reordered`: The order of a project's assignments changed.
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

/** The changes of projects. */
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

/** The payload of all events. The contacts determine the fan-out. They are never on the wire. */
export interface CrmNoticePayload {
  /** The interaction. */
  interaction_uuid: string;
}

/**
 * - `interaction_created`: An interaction was created.
 * - `interaction_updated`: An interaction changed. The event reaches the contacts before and after the change.
 * - `interaction_deleted`: An interaction was deleted.
 */
export interface CrmOnNotice {
  domain: "crm";
  event: "interaction_created" | "interaction_updated" | "interaction_deleted";
  payload: CrmNoticePayload;
}

/** The changes of interactions. */
export type CrmEvent = CrmOnNotice;

/** The events that `crm:contact:{uuid}:interactions` can bring. */
export type CrmInteractionsEvent = CrmOnNotice;

/** A written record. */
export interface StoreUpsertedPayload {
  /** The schema. */
  schema: string;
  /** The record's key, as text. */
  key: string;
  /** The record. Its type is the caller's. */
  record: unknown;
}

/** A deleted record. */
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
 * - `deleted`: A record was deleted.
 */
export interface StoreOnDeleted {
  domain: "store";
  event: "deleted";
  payload: StoreDeletedPayload;
}

/** The changes of a store with records of type `R`. */
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
  /** All changes. */
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
  /** All changes. */
  "projects:all": ProjectsAllEvent;
  /** The task library. */
  "projects:tasks": ProjectsTasksEvent;
  /** Project templates. */
  "projects:templates": ProjectsTemplatesEvent;
  /** One project, with its assignments and dependencies. */
  [topic: `projects:project:${string}`]: ProjectsProjectEvent;
  /** The interactions of one contact. */
  [topic: `crm:contact:${string}:interactions`]: CrmInteractionsEvent;
  /** The changes of one schema. */
  [topic: `store:${string}`]: StoreSchemaEvent;
}

/** Refuses a missing value, which would build a topic without events. */
function segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\[object .*\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === "" ? "empty" : value}: build the topic when it is known.`);
}

/** Builds topics: `topic.staff.person(id)`. */
export const topic = {
  /** The topic of the catalogue. */
  catalogue: "catalogue",
  /** The topics of staff: three lists, and one topic for each record. */
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
  /** The topics of projects. */
  projects: {
    /** All changes. */
    all: "projects:all",
    /** The task library. */
    tasks: "projects:tasks",
    /** Project templates. */
    templates: "projects:templates",
    /** One project, with its assignments and dependencies. */
    project: (uuid: string) => `projects:project:${segment("`uuid` of projects:project:{uuid}", uuid)}` as const,
  },
  /** The topics of interactions. */
  crm: {
    /** The interactions of one contact. */
    interactions: (uuid: string) => `crm:contact:${segment("`uuid` of crm:contact:{uuid}:interactions", uuid)}:interactions` as const,
  },
  /** The topics of a store. The publisher may name other topics instead. */
  store: {
    /** The changes of one schema. */
    schema: (schema: string) => `store:${segment("`schema` of store:{schema}", schema)}` as const,
  },
} as const;
