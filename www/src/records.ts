// The records of the API. The test of www/api/src/records.rs makes this file.

export type Department = {
  uuid: string;
  name: string;
  description: string;
};

export type DepartmentRow = {
  /** How many there are. */
  teams: number;
  uuid: string;
  name: string;
  description: string;
};

export type DepartmentDetail = {
  teams: Array<TeamOfDepartment>;
  uuid: string;
  name: string;
  description: string;
};

export type TeamOfDepartment = {
  /** How many there are. */
  members: number;
  uuid: string;
  name: string;
  purpose: string;
  department_uuid: string | null;
};

export type Team = {
  uuid: string;
  name: string;
  purpose: string;
  department_uuid: string | null;
};

export type TeamRow = {
  department_name: string | null;
  /** How many there are. */
  members: number;
  uuid: string;
  name: string;
  purpose: string;
  department_uuid: string | null;
};

export type TeamDetail = {
  members: Array<Member>;
  department_name: string | null;
  uuid: string;
  name: string;
  purpose: string;
  department_uuid: string | null;
};

export type Member = {
  /** The membership. */
  uuid: string;
  person_uuid: string;
  name: string;
  role: string;
};

export type Person = {
  uuid: string;
  name: string;
  role: string;
  email: string;
};

export type PersonRow = {
  /** The names, with commas between them. */
  team_names: string | null;
  uuid: string;
  name: string;
  role: string;
  email: string;
};

export type PersonDetail = {
  teams: Array<TeamOfPerson>;
  uuid: string;
  name: string;
  role: string;
  email: string;
};

export type TeamOfPerson = {
  /** The membership. */
  uuid: string;
  team_uuid: string;
  name: string;
  purpose: string;
};

export type ProjectStatus = "planned" | "active" | "on_hold" | "completed";

export type Project = {
  uuid: string;
  name: string;
  summary: string;
  lead_uuid: string | null;
  lead_name: string | null;
  status: ProjectStatus;
  is_template: boolean;
  is_archived: boolean;
};

export type ProjectRow = {
  /** How many there are. */
  assignments: number;
  /** How many of them are done. */
  done: number;
  uuid: string;
  name: string;
  summary: string;
  lead_uuid: string | null;
  lead_name: string | null;
  status: ProjectStatus;
  is_template: boolean;
  is_archived: boolean;
};

export type ProjectDetail = {
  /** In their order. */
  assignments: Array<Assignment>;
  uuid: string;
  name: string;
  summary: string;
  lead_uuid: string | null;
  lead_name: string | null;
  status: ProjectStatus;
  is_template: boolean;
  is_archived: boolean;
};

export type Assignment = {
  uuid: string;
  task_uuid: string;
  title: string;
  person_uuid: string | null;
  person_name: string | null;
  is_done: boolean;
};

export type Task = {
  uuid: string;
  title: string;
  notes: string;
};

export type TaskRow = {
  /** How many use it. */
  projects: number;
  uuid: string;
  title: string;
  notes: string;
};

export type TaskDetail = {
  projects: Array<ProjectOfTask>;
  uuid: string;
  title: string;
  notes: string;
};

export type ProjectOfTask = {
  uuid: string;
  name: string;
  status: ProjectStatus;
  is_template: boolean;
  is_archived: boolean;
};

export type Catalogue = {
  uuid: string;
  name: string;
  description: string;
};

export type CatalogueRow = {
  /** How many there are. */
  items: number;
  uuid: string;
  name: string;
  description: string;
};

export type CatalogueDetail = {
  categories: Array<Category>;
  items: Array<Item>;
  uuid: string;
  name: string;
  description: string;
};

export type Category = {
  uuid: string;
  name: string;
  /** How many there are. */
  items: number;
};

export type Manufacturer = {
  uuid: string;
  name: string;
  /** How many there are. */
  items: number;
};

export type Item = {
  uuid: string;
  name: string;
  sku: string;
  price_cents: number;
  stock: number;
  catalogue_uuid: string;
  catalogue_name: string;
  category_uuid: string | null;
  category_name: string | null;
  manufacturer_uuid: string | null;
  manufacturer_name: string | null;
};

export type Contact = {
  uuid: string;
  name: string;
  company: string;
  email: string;
  phone: string;
};

export type InteractionKind = "call" | "email" | "meeting" | "note";

export type Interaction = {
  /** Who took part. */
  parties: Array<Party>;
  uuid: string;
  /** The contact whom it is about. */
  subject_uuid: string;
  subject_name: string;
  kind: InteractionKind;
  summary: string;
  /** In milliseconds since 1970. */
  happened_at: number;
};

export type Party = {
  uuid: string;
  name: string;
};

export type Link = {
  id: number;
  title: string;
  url: string;
  note: string;
  tags: Array<string>;
  votes: number;
};

export type Database = {
  /** The path of the SQLite file. */
  file: string;
};
