// What the page shows. Each query says how to load its data, and which topics tell of changes. A component needs nothing
// else to stay up to date: `useQuery(people)`.

import { queryOptions } from "@tanstack/react-query";
import { catalogue as catalogueDomain, crm, projects as projectsDomain, staff, store } from "tidings/domains";
import { load } from "./api.ts";
import { ownChangeIsShown } from "./feed.ts";
import { perSecond, withEvent } from "./links.ts";
import type {
  CatalogueDetail,
  CatalogueRow,
  Contact,
  Database,
  DepartmentDetail,
  DepartmentRow,
  Interaction,
  Item,
  Link,
  Manufacturer,
  PersonDetail,
  PersonRow,
  ProjectDetail,
  ProjectRow,
  TaskDetail,
  TaskRow,
  TeamDetail,
  TeamRow,
} from "./records.ts";
import { live, queryClient } from "./tidings.ts";

export const people = queryOptions({
  // The list shows the names of the teams.
  ...live([staff.topics.people, staff.topics.teams]),
  queryKey: ["people"],
  queryFn: ({ signal }) => load<PersonRow[]>("people", signal),
});

export const person = (uuid: string) =>
  queryOptions({
    ...live([staff.topics.person(uuid), staff.topics.teams]),
    queryKey: ["person", uuid],
    queryFn: ({ signal }) => load<PersonDetail>(`people/${uuid}`, signal),
  });

export const teams = queryOptions({
  // The list shows the names of the departments.
  ...live([staff.topics.teams, staff.topics.departments]),
  queryKey: ["teams"],
  queryFn: ({ signal }) => load<TeamRow[]>("teams", signal),
});

export const team = (uuid: string) =>
  queryOptions({
    // The team shows the names of its department and of its members.
    ...live([staff.topics.team(uuid), staff.topics.departments, staff.topics.people]),
    queryKey: ["team", uuid],
    queryFn: ({ signal }) => load<TeamDetail>(`teams/${uuid}`, signal),
  });

export const departments = queryOptions({
  // The list shows the number of teams.
  ...live([staff.topics.departments, staff.topics.teams]),
  queryKey: ["departments"],
  queryFn: ({ signal }) => load<DepartmentRow[]>("departments", signal),
});

export const department = (uuid: string) =>
  queryOptions({
    // The department shows the number of members. Events of memberships are on the topics of teams.
    ...live([staff.topics.department(uuid), staff.topics.teams]),
    queryKey: ["department", uuid],
    queryFn: ({ signal }) => load<DepartmentDetail>(`departments/${uuid}`, signal),
  });

/** Projects and templates. */
export const projects = queryOptions({
  // The list shows the names of the leads.
  ...live([projectsDomain.topics.all, staff.topics.people]),
  queryKey: ["projects"],
  queryFn: ({ signal }) => load<ProjectRow[]>("projects", signal),
});

export const project = (uuid: string) =>
  queryOptions({
    // The project shows the titles of its tasks and the names of people.
    ...live([projectsDomain.topics.project(uuid), projectsDomain.topics.tasks, staff.topics.people], {
      // The window that ticks a box or chooses a person shows that at once, so it need not load.
      skipOwn: ({ event }) => event === "assignment_updated" && ownChangeIsShown(),
    }),
    queryKey: ["project", uuid],
    queryFn: ({ signal }) => load<ProjectDetail>(`projects/${uuid}`, signal),
  });

export const tasks = queryOptions({
  // The list shows the number of projects that use a task. A ticked box does not change it.
  ...live(projectsDomain.topics.all, { concerns: ({ event }) => event !== "assignment_updated" }),
  queryKey: ["tasks"],
  queryFn: ({ signal }) => load<TaskRow[]>("tasks", signal),
});

export const task = (uuid: string) =>
  queryOptions({
    // The task shows the projects that use it.
    ...live(projectsDomain.topics.all),
    queryKey: ["task", uuid],
    queryFn: ({ signal }) => load<TaskDetail>(`tasks/${uuid}`, signal),
  });

export const catalogues = queryOptions({
  ...live(catalogueDomain.topics.catalogue),
  queryKey: ["catalogues"],
  queryFn: ({ signal }) => load<CatalogueRow[]>("catalogues", signal),
});

export const catalogue = (uuid: string) =>
  queryOptions({
    ...live(catalogueDomain.topics.catalogue, {
      // `parent` is the catalogue of the record that changed. A manufacturer has none, and concerns all.
      concerns: ({ payload: { parent } }) => !parent || parent === uuid,
    }),
    queryKey: ["catalogue", uuid],
    queryFn: ({ signal }) => load<CatalogueDetail>(`catalogues/${uuid}`, signal),
  });

export const item = (uuid: string) =>
  queryOptions({
    // The item shows the names of its catalogue, its category and its manufacturer.
    ...live(catalogueDomain.topics.catalogue),
    queryKey: ["item", uuid],
    queryFn: ({ signal }) => load<Item>(`items/${uuid}`, signal),
  });

export const manufacturers = queryOptions({
  ...live(catalogueDomain.topics.catalogue),
  queryKey: ["manufacturers"],
  queryFn: ({ signal }) => load<Manufacturer[]>("manufacturers", signal),
});

export const contacts = queryOptions({
  ...live(store.topics.schema("contacts")),
  queryKey: ["contacts"],
  queryFn: ({ signal }) => load<Contact[]>("contacts", signal),
});

export const contact = (uuid: string) =>
  queryOptions({
    ...live(store.topics.schema("contacts"), { concerns: ({ payload }) => payload.key === uuid }),
    queryKey: ["contact", uuid],
    queryFn: ({ signal }) => load<Contact>(`contacts/${uuid}`, signal),
  });

export const interactions = (contact: string) =>
  queryOptions({
    // An event on this topic does not say who else took part. Only the API tells that.
    ...live([crm.topics.interactions(contact), store.topics.schema("contacts")]),
    queryKey: ["interactions", contact],
    queryFn: ({ signal }) => load<Interaction[]>(`contacts/${contact}/interactions`, signal),
  });

/** The list takes so many records in a second. Each renders the list, so more of them are loaded together. */
const mayTake = perSecond(20);

export const links = queryOptions({
  ...live(store.topics.schema("links"), {
    // The event has the record. So the list is loaded only if it cannot take the record.
    concerns: (event) => {
      const { data, fetchStatus, isInvalidated } = queryClient.getQueryState<Link[]>(["links"]) ?? {};
      // A load that runs, or that is due, may bring older data than the event.
      if (!data || fetchStatus !== "idle" || isInvalidated || !mayTake(performance.now())) return true;
      const list = withEvent(data, event);
      if (list) queryClient.setQueryData<Link[]>(["links"], list);
      return !list;
    },
  }),
  queryKey: ["links"],
  queryFn: ({ signal }) => load<Link[]>("links", signal),
});

/** Where the server's data is. It stays there while the server runs. */
export const database = queryOptions({
  queryKey: ["database"],
  queryFn: ({ signal }) => load<Database>("database", signal),
});
