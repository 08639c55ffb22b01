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

/** Something changed. */
export interface CatalogueDataChanged {
  domain: "catalogue";
  event: "data_changed";
  payload: CatalogueChangePayload;
}

/** What happens to the catalogue. No record data: prices and the like stay behind the application's own API. */
export type CatalogueEvent = CatalogueDataChanged;

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

/** A department is new. */
export interface StaffDepartmentCreated {
  domain: "staff";
  event: "department_created";
  payload: StaffDepartmentPayload;
}

/** A department changed. */
export interface StaffDepartmentUpdated {
  domain: "staff";
  event: "department_updated";
  payload: StaffDepartmentPayload;
}

/** A department is gone. */
export interface StaffDepartmentDeleted {
  domain: "staff";
  event: "department_deleted";
  payload: StaffDepartmentPayload;
}

/** A team is new. */
export interface StaffTeamCreated {
  domain: "staff";
  event: "team_created";
  payload: StaffTeamPayload;
}

/** A team changed or moved. */
export interface StaffTeamUpdated {
  domain: "staff";
  event: "team_updated";
  payload: StaffTeamPayload;
}

/** A team is gone. */
export interface StaffTeamDeleted {
  domain: "staff";
  event: "team_deleted";
  payload: StaffTeamPayload;
}

/** A person is new. */
export interface StaffPersonCreated {
  domain: "staff";
  event: "person_created";
  payload: StaffPersonPayload;
}

/** A person changed. */
export interface StaffPersonUpdated {
  domain: "staff";
  event: "person_updated";
  payload: StaffPersonPayload;
}

/** A person is gone. */
export interface StaffPersonDeleted {
  domain: "staff";
  event: "person_deleted";
  payload: StaffPersonPayload;
}

/** A person joined a team. */
export interface StaffTeamPersonAdded {
  domain: "staff";
  event: "team_person_added";
  payload: StaffMembershipPayload;
}

/** A person left a team. */
export interface StaffTeamPersonRemoved {
  domain: "staff";
  event: "team_person_removed";
  payload: StaffMembershipPayload;
}

/** What happens to staff. */
export type StaffEvent =
  | StaffDepartmentCreated
  | StaffDepartmentUpdated
  | StaffDepartmentDeleted
  | StaffTeamCreated
  | StaffTeamUpdated
  | StaffTeamDeleted
  | StaffPersonCreated
  | StaffPersonUpdated
  | StaffPersonDeleted
  | StaffTeamPersonAdded
  | StaffTeamPersonRemoved;

/** What `staff:departments` can bring. */
export type StaffDepartmentsEvent =
  | StaffDepartmentCreated
  | StaffDepartmentUpdated
  | StaffDepartmentDeleted;

/** What `staff:teams` can bring. */
export type StaffTeamsEvent =
  | StaffTeamCreated
  | StaffTeamUpdated
  | StaffTeamDeleted
  | StaffTeamPersonAdded
  | StaffTeamPersonRemoved;

/** What `staff:people` can bring. */
export type StaffPeopleEvent =
  | StaffPersonCreated
  | StaffPersonUpdated
  | StaffPersonDeleted
  | StaffTeamPersonAdded
  | StaffTeamPersonRemoved;

/** What `staff:department:{uuid}` can bring. */
export type StaffDepartmentEvent =
  | StaffDepartmentCreated
  | StaffDepartmentUpdated
  | StaffDepartmentDeleted
  | StaffTeamCreated
  | StaffTeamUpdated
  | StaffTeamDeleted;

/** What `staff:team:{uuid}` can bring. */
export type StaffTeamEvent =
  | StaffTeamCreated
  | StaffTeamUpdated
  | StaffTeamDeleted
  | StaffTeamPersonAdded
  | StaffTeamPersonRemoved;

/** What `staff:person:{uuid}` can bring. */
export type StaffPersonEvent =
  | StaffPersonCreated
  | StaffPersonUpdated
  | StaffPersonDeleted
  | StaffTeamPersonAdded
  | StaffTeamPersonRemoved;

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

/** A project is new. */
export interface ProjectsProjectCreated {
  domain: "projects";
  event: "project_created";
  payload: ProjectsProjectPayload;
}

/** A project changed. */
export interface ProjectsProjectUpdated {
  domain: "projects";
  event: "project_updated";
  payload: ProjectsProjectPayload;
}

/** A project is gone. */
export interface ProjectsProjectDeleted {
  domain: "projects";
  event: "project_deleted";
  payload: ProjectsProjectPayload;
}

/** Work on a project began. */
export interface ProjectsProjectStarted {
  domain: "projects";
  event: "project_started";
  payload: ProjectsProjectPayload;
}

/** A project is done. */
export interface ProjectsProjectCompleted {
  domain: "projects";
  event: "project_completed";
  payload: ProjectsProjectPayload;
}

/** A project that was done goes on. */
export interface ProjectsProjectReopened {
  domain: "projects";
  event: "project_reopened";
  payload: ProjectsProjectPayload;
}

/** A project was put away. */
export interface ProjectsProjectArchived {
  domain: "projects";
  event: "project_archived";
  payload: ProjectsProjectPayload;
}

/** A project was taken out of the archive. */
export interface ProjectsProjectUnarchived {
  domain: "projects";
  event: "project_unarchived";
  payload: ProjectsProjectPayload;
}

/** A project's status changed in a way that has no event of its own. */
export interface ProjectsProjectStatusChanged {
  domain: "projects";
  event: "project_status_changed";
  payload: ProjectsProjectPayload;
}

/** A task is new. */
export interface ProjectsTaskCreated {
  domain: "projects";
  event: "task_created";
  payload: ProjectsTaskPayload;
}

/** A task changed. */
export interface ProjectsTaskUpdated {
  domain: "projects";
  event: "task_updated";
  payload: ProjectsTaskPayload;
}

/** A task is gone. */
export interface ProjectsTaskDeleted {
  domain: "projects";
  event: "task_deleted";
  payload: ProjectsTaskPayload;
}

/** A project has a new assignment. */
export interface ProjectsAssignmentCreated {
  domain: "projects";
  event: "assignment_created";
  payload: ProjectsAssignmentPayload;
}

/** An assignment changed. */
export interface ProjectsAssignmentUpdated {
  domain: "projects";
  event: "assignment_updated";
  payload: ProjectsAssignmentPayload;
}

/** An assignment is gone. */
export interface ProjectsAssignmentDeleted {
  domain: "projects";
  event: "assignment_deleted";
  payload: ProjectsAssignmentPayload;
}

/** A project's assignments are in another order. */
export interface ProjectsAssignmentReordered {
  domain: "projects";
  event: "assignment_reordered";
  payload: ProjectsAssignmentPayload;
}

/** An assignment waits for another. */
export interface ProjectsDependencyAdded {
  domain: "projects";
  event: "dependency_added";
  payload: ProjectsDependencyPayload;
}

/** An assignment no longer waits for another. */
export interface ProjectsDependencyRemoved {
  domain: "projects";
  event: "dependency_removed";
  payload: ProjectsDependencyPayload;
}

/** What happens to projects. */
export type ProjectsEvent =
  | ProjectsProjectCreated
  | ProjectsProjectUpdated
  | ProjectsProjectDeleted
  | ProjectsProjectStarted
  | ProjectsProjectCompleted
  | ProjectsProjectReopened
  | ProjectsProjectArchived
  | ProjectsProjectUnarchived
  | ProjectsProjectStatusChanged
  | ProjectsTaskCreated
  | ProjectsTaskUpdated
  | ProjectsTaskDeleted
  | ProjectsAssignmentCreated
  | ProjectsAssignmentUpdated
  | ProjectsAssignmentDeleted
  | ProjectsAssignmentReordered
  | ProjectsDependencyAdded
  | ProjectsDependencyRemoved;

/** What `projects:tasks` can bring. */
export type ProjectsTasksEvent =
  | ProjectsTaskCreated
  | ProjectsTaskUpdated
  | ProjectsTaskDeleted;

/** What `projects:templates` can bring. */
export type ProjectsTemplatesEvent =
  | ProjectsProjectCreated
  | ProjectsProjectUpdated
  | ProjectsProjectDeleted
  | ProjectsProjectStarted
  | ProjectsProjectCompleted
  | ProjectsProjectReopened
  | ProjectsProjectArchived
  | ProjectsProjectUnarchived
  | ProjectsProjectStatusChanged;

/** What `projects:project:{uuid}` can bring. */
export type ProjectsProjectEvent =
  | ProjectsProjectCreated
  | ProjectsProjectUpdated
  | ProjectsProjectDeleted
  | ProjectsProjectStarted
  | ProjectsProjectCompleted
  | ProjectsProjectReopened
  | ProjectsProjectArchived
  | ProjectsProjectUnarchived
  | ProjectsProjectStatusChanged
  | ProjectsAssignmentCreated
  | ProjectsAssignmentUpdated
  | ProjectsAssignmentDeleted
  | ProjectsAssignmentReordered
  | ProjectsDependencyAdded
  | ProjectsDependencyRemoved;

/** The payload, and the contacts that it goes to; these steer the fan-out and are never part of the payload. */
export interface CrmNoticePayload {
  /** The interaction. */
  interaction_uuid: string;
}

/** An interaction is new. */
export interface CrmInteractionCreated {
  domain: "crm";
  event: "interaction_created";
  payload: CrmNoticePayload;
}

/** An interaction changed; it reaches those involved before and those involved now. */
export interface CrmInteractionUpdated {
  domain: "crm";
  event: "interaction_updated";
  payload: CrmNoticePayload;
}

/** An interaction is gone. */
export interface CrmInteractionDeleted {
  domain: "crm";
  event: "interaction_deleted";
  payload: CrmNoticePayload;
}

/** What happens to interactions. */
export type CrmEvent =
  | CrmInteractionCreated
  | CrmInteractionUpdated
  | CrmInteractionDeleted;

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

/** A record was written. */
export interface StoreUpserted {
  domain: "store";
  event: "upserted";
  payload: StoreUpsertedPayload;
}

/** A record was removed. */
export interface StoreDeleted {
  domain: "store";
  event: "deleted";
  payload: StoreDeletedPayload;
}

/** What happens in a store whose records are `R`. */
export type StoreEvent =
  | StoreUpserted
  | StoreDeleted;

/** The domains that refuse undeclared payload keys. */
export type ClosedDomain =
  | "catalogue"
  | "crm";

/** Which events a topic can bring. Augment it with the topics of your own domains. */
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
  "projects:all": ProjectsEvent;
  /** The task library. */
  "projects:tasks": ProjectsTasksEvent;
  /** Project templates. */
  "projects:templates": ProjectsTemplatesEvent;
  /** One project, with its assignments and dependencies. */
  [topic: `projects:project:${string}`]: ProjectsProjectEvent;
  /** The interactions of one contact. */
  [topic: `crm:contact:${string}:interactions`]: CrmEvent;
  /** One schema. */
  [topic: `store:${string}`]: StoreEvent;
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
    department: (uuid: string) => `staff:department:${uuid}` as const,
    /** One team, with its members. */
    team: (uuid: string) => `staff:team:${uuid}` as const,
    /** One person, with their memberships. */
    person: (uuid: string) => `staff:person:${uuid}` as const,
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
    project: (uuid: string) => `projects:project:${uuid}` as const,
  },
  /** Where interactions appear. */
  crm: {
    /** The interactions of one contact. */
    interactions: (uuid: string) => `crm:contact:${uuid}:interactions` as const,
  },
  /** Where a store's changes appear, unless the publisher names topics of its own. */
  store: {
    /** One schema. */
    schema: (schema: string) => `store:${schema}` as const,
  },
} as const;
