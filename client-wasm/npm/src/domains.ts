// The shipped domains, as `shared/src/domains` defines them.

/** Keys beyond those that a domain declares survive from publisher to subscriber. */
type Extra = { [key: string]: unknown };

/** An event that no type is known for: of a domain that was not compiled in, or on a topic that is only a string. */
export interface UntypedEvent<D extends string = string> {
  domain: D;
  event: string;
  payload: unknown;
}

interface Typed<D extends string, E extends string, P> {
  domain: D;
  event: E;
  payload: P;
}

/** What kind of record of a catalogue changed; a newer server may know more. */
export type CatalogueKind =
  | "catalogue"
  | "category"
  | "item"
  | "manufacturer"
  | "supplier"
  | "smart_rule"
  | "links"
  | (string & {});

/** Something in the catalogue changed: which record (null: no single one) in which catalogue. */
export type CatalogueEvent = Typed<
  "catalogue",
  "data_changed",
  { kind: CatalogueKind; uuid?: string | null; parent?: string | null }
>;

export type StaffDepartmentEvent = Typed<
  "staff",
  "department_created" | "department_updated" | "department_deleted",
  { uuid: string } & Extra
>;
export type StaffTeamEvent = Typed<
  "staff",
  "team_created" | "team_updated" | "team_deleted",
  { uuid: string; department_uuid?: string | null; previous_department_uuid?: string | null } & Extra
>;
export type StaffPersonOnlyEvent = Typed<
  "staff",
  "person_created" | "person_updated" | "person_deleted",
  { uuid: string } & Extra
>;
export type StaffMembershipEvent = Typed<
  "staff",
  "team_person_added" | "team_person_removed",
  { uuid?: string | null; team_uuid: string; staff_person_uuid: string } & Extra
>;
/** What happens to a person: their own changes and their memberships. */
export type StaffPersonEvent = StaffPersonOnlyEvent | StaffMembershipEvent;
export type StaffEvent = StaffDepartmentEvent | StaffTeamEvent | StaffPersonEvent;

export type ProjectEvent = Typed<
  "projects",
  | "project_created"
  | "project_updated"
  | "project_deleted"
  | "project_started"
  | "project_completed"
  | "project_reopened"
  | "project_archived"
  | "project_unarchived"
  | "project_status_changed",
  { uuid: string; is_template?: boolean | null } & Extra
>;
export type TaskEvent = Typed<
  "projects",
  "task_created" | "task_updated" | "task_deleted",
  { uuid: string } & Extra
>;
export type AssignmentEvent = Typed<
  "projects",
  "assignment_created" | "assignment_updated" | "assignment_deleted" | "assignment_reordered",
  { uuid?: string | null; project_uuid: string } & Extra
>;
export type DependencyEvent = Typed<
  "projects",
  "dependency_added" | "dependency_removed",
  { assignment_uuid?: string | null; depends_on_uuid?: string | null; project_uuid: string } & Extra
>;
export type ProjectsEvent = ProjectEvent | TaskEvent | AssignmentEvent | DependencyEvent;

export type CrmEvent = Typed<
  "crm",
  "interaction_created" | "interaction_updated" | "interaction_deleted",
  { interaction_uuid: string }
>;

/** Something in a data store changed; the application types its records. */
export type StoreEvent<R = unknown> =
  | Typed<"store", "upserted", { schema: string; key: string; record: R } & Extra>
  | Typed<"store", "deleted", { schema: string; key: string } & Extra>;

/**
 * Which events can appear on which topics. Add those of your own domains:
 *
 * ```ts
 * declare module "tidings" {
 *   interface Topics {
 *     [topic: `orders:order:${string}`]: OrderEvent;
 *   }
 * }
 * ```
 */
export interface Topics {
  catalogue: CatalogueEvent;
  "staff:departments": StaffDepartmentEvent;
  "staff:teams": StaffTeamEvent | StaffMembershipEvent;
  "staff:people": StaffPersonEvent;
  [department: `staff:department:${string}`]: StaffDepartmentEvent | StaffTeamEvent;
  [team: `staff:team:${string}`]: StaffTeamEvent | StaffMembershipEvent;
  [person: `staff:person:${string}`]: StaffPersonEvent;
  "projects:all": ProjectsEvent;
  "projects:tasks": TaskEvent;
  "projects:templates": ProjectEvent;
  [project: `projects:project:${string}`]: ProjectEvent | AssignmentEvent | DependencyEvent;
  [contact: `crm:contact:${string}:interactions`]: CrmEvent;
  [schema: `store:${string}`]: StoreEvent;
}

/** A topic; any string is one for the compiler, and those that `Topics` knows are completed. */
export type Topic = keyof Topics | (string & {});

/** The events that can appear on a topic, or on any of several. */
export type EventOf<T extends string> = T extends keyof Topics ? Topics[T] : UntypedEvent;

/** The events that types are known for. */
export type KnownEvent = Topics[keyof Topics];

/** Builds the topics of the shipped domains. */
export const topic = {
  catalogue: "catalogue",
  staff: {
    departments: "staff:departments",
    teams: "staff:teams",
    people: "staff:people",
    department: <U extends string>(uuid: U) => `staff:department:${uuid}` as const,
    team: <U extends string>(uuid: U) => `staff:team:${uuid}` as const,
    person: <U extends string>(uuid: U) => `staff:person:${uuid}` as const,
  },
  projects: {
    all: "projects:all",
    tasks: "projects:tasks",
    templates: "projects:templates",
    project: <U extends string>(uuid: U) => `projects:project:${uuid}` as const,
  },
  crm: {
    interactions: <U extends string>(contact: U) => `crm:contact:${contact}:interactions` as const,
  },
  store: {
    schema: <S extends string>(schema: S) => `store:${schema}` as const,
  },
} as const;
