// Generated from the Rust definitions of the domains. Do not edit.

import type { Domain, Topic } from "./topics.js";

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

/** The events that each topic of `catalogue` can bring. */
export interface CatalogueTopics {
  /** All changes. */
  catalogue: CatalogueEvent;
}

/** The type of `catalogue`. */
export interface CatalogueDomain extends Domain<"catalogue", CatalogueEvent, CatalogueTopics, "closed"> {
  /** The topic of the catalogue. */
  readonly topics: {
    /** All changes. */
    readonly catalogue: Topic<CatalogueEvent>;
  };
}

/** The domain `catalogue`, for `createClient({ domains: [catalogue] })`. */
export const catalogue: CatalogueDomain = {
  name: "catalogue",
  fingerprint: "cf0e8a775d248fc8",
  topics: {
    catalogue: "catalogue" as Topic<CatalogueEvent>,
  },
  events: [
    [["data_changed"], [["kind", "string"], ["uuid", ["option", "uuid"]], ["parent", ["option", "uuid"]]]],
  ],
};

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

/** The events that each topic of `staff` can bring. */
export interface StaffTopics {
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
}

/** The type of `staff`. */
export interface StaffDomain extends Domain<"staff", StaffEvent, StaffTopics> {
  /** The topics of staff: three lists, and one topic for each record. */
  readonly topics: {
    /** All departments. */
    readonly departments: Topic<StaffDepartmentsEvent>;
    /** All teams. */
    readonly teams: Topic<StaffTeamsEvent>;
    /** All people. */
    readonly people: Topic<StaffPeopleEvent>;
    /** One department, with the teams in it. */
    readonly department: (uuid: string) => Topic<StaffDepartmentEvent>;
    /** One team, with its members. */
    readonly team: (uuid: string) => Topic<StaffTeamEvent>;
    /** One person, with their memberships. */
    readonly person: (uuid: string) => Topic<StaffPersonEvent>;
  };
}

/** The domain `staff`, for `createClient({ domains: [staff] })`. */
export const staff: StaffDomain = {
  name: "staff",
  fingerprint: "c8fbc1b428502f4d",
  topics: {
    departments: "staff:departments" as Topic<StaffDepartmentsEvent>,
    teams: "staff:teams" as Topic<StaffTeamsEvent>,
    people: "staff:people" as Topic<StaffPeopleEvent>,
    department: (uuid) => `staff:department:${_segment("`uuid` of staff:department:{uuid}", uuid)}` as Topic<StaffDepartmentEvent>,
    team: (uuid) => `staff:team:${_segment("`uuid` of staff:team:{uuid}", uuid)}` as Topic<StaffTeamEvent>,
    person: (uuid) => `staff:person:${_segment("`uuid` of staff:person:{uuid}", uuid)}` as Topic<StaffPersonEvent>,
  },
  events: [
    [["department_created", "department_updated", "department_deleted", "person_created", "person_updated", "person_deleted"], [["uuid", "uuid"]]],
    [["team_created", "team_updated", "team_deleted"], [["uuid", "uuid"], ["department_uuid", ["option", "uuid"]], ["previous_department_uuid", ["option", "uuid"]]]],
    [["team_person_added", "team_person_removed"], [["uuid", ["option", "uuid"]], ["team_uuid", "uuid"], ["staff_person_uuid", "uuid"]]],
  ],
};

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

/** The events that each topic of `projects` can bring. */
export interface ProjectsTopics {
  /** All changes. */
  "projects:all": ProjectsAllEvent;
  /** The task library. */
  "projects:tasks": ProjectsTasksEvent;
  /** Project templates. */
  "projects:templates": ProjectsTemplatesEvent;
  /** One project, with its assignments and dependencies. */
  [topic: `projects:project:${string}`]: ProjectsProjectEvent;
}

/** The type of `projects`. */
export interface ProjectsDomain extends Domain<"projects", ProjectsEvent, ProjectsTopics> {
  /** The topics of projects. */
  readonly topics: {
    /** All changes. */
    readonly all: Topic<ProjectsAllEvent>;
    /** The task library. */
    readonly tasks: Topic<ProjectsTasksEvent>;
    /** Project templates. */
    readonly templates: Topic<ProjectsTemplatesEvent>;
    /** One project, with its assignments and dependencies. */
    readonly project: (uuid: string) => Topic<ProjectsProjectEvent>;
  };
}

/** The domain `projects`, for `createClient({ domains: [projects] })`. */
export const projects: ProjectsDomain = {
  name: "projects",
  fingerprint: "abcd7d16005ec104",
  topics: {
    all: "projects:all" as Topic<ProjectsAllEvent>,
    tasks: "projects:tasks" as Topic<ProjectsTasksEvent>,
    templates: "projects:templates" as Topic<ProjectsTemplatesEvent>,
    project: (uuid) => `projects:project:${_segment("`uuid` of projects:project:{uuid}", uuid)}` as Topic<ProjectsProjectEvent>,
  },
  events: [
    [["project_created", "project_updated", "project_deleted", "project_started", "project_completed", "project_reopened", "project_archived", "project_unarchived", "project_status_changed"], [["uuid", "uuid"], ["is_template", ["option", "bool"]]]],
    [["task_created", "task_updated", "task_deleted"], [["uuid", "uuid"]]],
    [["assignment_created", "assignment_updated", "assignment_deleted", "assignment_reordered"], [["uuid", ["option", "uuid"]], ["project_uuid", "uuid"]]],
    [["dependency_added", "dependency_removed"], [["assignment_uuid", ["option", "uuid"]], ["depends_on_uuid", ["option", "uuid"]], ["project_uuid", "uuid"]]],
  ],
};

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

/** The events that each topic of `crm` can bring. */
export interface CrmTopics {
  /** The interactions of one contact. */
  [topic: `crm:contact:${string}:interactions`]: CrmInteractionsEvent;
}

/** The type of `crm`. */
export interface CrmDomain extends Domain<"crm", CrmEvent, CrmTopics, "closed"> {
  /** The topics of interactions. */
  readonly topics: {
    /** The interactions of one contact. */
    readonly interactions: (uuid: string) => Topic<CrmInteractionsEvent>;
  };
}

/** The domain `crm`, for `createClient({ domains: [crm] })`. */
export const crm: CrmDomain = {
  name: "crm",
  fingerprint: "08db97020957991b",
  topics: {
    interactions: (uuid) => `crm:contact:${_segment("`uuid` of crm:contact:{uuid}:interactions", uuid)}:interactions` as Topic<CrmInteractionsEvent>,
  },
  events: [
    [["interaction_created", "interaction_updated", "interaction_deleted"], [["interaction_uuid", "uuid"]]],
  ],
};

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

/** The events that each topic of `store` can bring. */
export interface StoreTopics {
  /** The changes of one schema. */
  [topic: `store:${string}`]: StoreSchemaEvent;
}

/** The type of `store`. */
export interface StoreDomain extends Domain<"store", StoreEvent, StoreTopics> {
  /** The topics of a store. The publisher may name other topics instead. */
  readonly topics: {
    /** The changes of one schema. */
    readonly schema: (schema: string) => Topic<StoreSchemaEvent>;
  };
}

/** The domain `store`, for `createClient({ domains: [store] })`. */
export const store: StoreDomain = {
  name: "store",
  fingerprint: "75278e7fdfda6466",
  topics: {
    schema: (schema) => `store:${_segment("`schema` of store:{schema}", schema)}` as Topic<StoreSchemaEvent>,
  },
  events: [
    [["upserted"], [["schema", ["segment", 249]], ["key", "string"], ["record", "any"]]],
    [["deleted"], [["schema", ["segment", 249]], ["key", "string"]]],
  ],
};

/** Refuses a missing value, which would build a topic without events. */
function _segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\[object .*\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === "" ? "empty" : value}: build the topic when it is known.`);
}
