/** The records of the API (`www/api`). */

export interface Department {
  uuid: string;
  name: string;
  description: string;
}
export interface DepartmentRow extends Department {
  teams: number;
}
export interface DepartmentDetail extends Department {
  teams: (Team & { members: number })[];
}

export interface Team {
  uuid: string;
  name: string;
  purpose: string;
  department_uuid: string | null;
}
export interface TeamRow extends Team {
  department_name: string | null;
  members: number;
}
export interface TeamDetail extends Team {
  department_name: string | null;
  members: { uuid: string; person_uuid: string; name: string; role: string }[];
}

export interface Person {
  uuid: string;
  name: string;
  role: string;
  email: string;
}
export interface PersonRow extends Person {
  team_names: string | null;
}
export interface PersonDetail extends Person {
  teams: { uuid: string; team_uuid: string; name: string; purpose: string }[];
}

export type ProjectStatus = "planned" | "active" | "on_hold" | "completed";
export type ProjectAction = "start" | "hold" | "complete" | "reopen" | "archive" | "unarchive";
export interface Project {
  uuid: string;
  name: string;
  summary: string;
  lead_uuid: string | null;
  lead_name: string | null;
  status: ProjectStatus;
  is_template: boolean;
  is_archived: boolean;
}
export interface ProjectRow extends Project {
  assignments: number;
  done: number;
}
export interface Assignment {
  uuid: string;
  task_uuid: string;
  title: string;
  person_uuid: string | null;
  person_name: string | null;
  is_done: boolean;
}
export interface ProjectDetail extends Project {
  assignments: Assignment[];
}

export interface Task {
  uuid: string;
  title: string;
  notes: string;
}
export interface TaskRow extends Task {
  projects: number;
}
export interface TaskDetail extends Task {
  projects: Pick<Project, "uuid" | "name" | "status" | "is_template" | "is_archived">[];
}

export interface Catalogue {
  uuid: string;
  name: string;
  description: string;
}
export interface CatalogueRow extends Catalogue {
  items: number;
}
export interface Category {
  uuid: string;
  name: string;
  items: number;
}
export interface Manufacturer {
  uuid: string;
  name: string;
  items: number;
}
export interface Item {
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
}
export interface CatalogueDetail extends Catalogue {
  categories: Category[];
  items: Item[];
}

export interface Contact {
  uuid: string;
  name: string;
  company: string;
  email: string;
  phone: string;
}
export type InteractionKind = "call" | "email" | "meeting" | "note";
export interface Interaction {
  uuid: string;
  subject_uuid: string;
  subject_name: string;
  kind: InteractionKind;
  summary: string;
  happened_at: number;
  parties: { uuid: string; name: string }[];
}
