import { startFeed } from "./feed.ts";
import { startRouter } from "./router.ts";
import { startShell } from "./shell.ts";
import { catalogue, catalogues, item, manufacturers } from "./views/catalogue.ts";
import { contact, contacts } from "./views/contacts.ts";
import { department, departments } from "./views/departments.ts";
import { people, person } from "./views/people.ts";
import { project, projects, templates } from "./views/projects.ts";
import { task, tasks } from "./views/tasks.ts";
import { team, teams } from "./views/teams.ts";

startShell();
startFeed();
startRouter(
  {
    people: { section: "people", show: people },
    "people/": { section: "people", show: person },
    teams: { section: "teams", show: teams },
    "teams/": { section: "teams", show: team },
    departments: { section: "departments", show: departments },
    "departments/": { section: "departments", show: department },
    projects: { section: "projects", show: projects },
    "projects/": { section: "projects", show: project },
    templates: { section: "templates", show: templates },
    tasks: { section: "tasks", show: tasks },
    "tasks/": { section: "tasks", show: task },
    catalogues: { section: "catalogues", show: catalogues },
    "catalogues/": { section: "catalogues", show: catalogue },
    "items/": { section: "catalogues", show: item },
    manufacturers: { section: "manufacturers", show: manufacturers },
    contacts: { section: "contacts", show: contacts },
    "contacts/": { section: "contacts", show: contact },
  },
  "#/people",
);
