import { type ComponentType, useEffect, useRef } from "react";
import { Redirect, Route, Router, Switch } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";
import { Feed } from "./components/feed.tsx";
import { Header } from "./components/header.tsx";
import { Intro } from "./components/intro.tsx";
import { Sections } from "./components/sections.tsx";
import { Toasts } from "./components/toasts.tsx";
import { useFeed } from "./feed.ts";
import { useTitle } from "./use-title.ts";
import { isUuid } from "./uuid.ts";
import { Catalogue, Catalogues, ItemView, Manufacturers } from "./views/catalogue.tsx";
import { Contacts, ContactView } from "./views/contacts.tsx";
import { Department, Departments } from "./views/departments.tsx";
import { Links } from "./views/links.tsx";
import { People, Person } from "./views/people.tsx";
import { Project } from "./views/project.tsx";
import { Projects, Templates } from "./views/projects.tsx";
import { Task, Tasks } from "./views/tasks.tsx";
import { Team, Teams } from "./views/teams.tsx";

/** The page. The address names the view: `#/people`, or `#/people/<uuid>`. */
export function App() {
  return (
    <Router hook={useHashLocation}>
      <Header />
      <Sections />
      <Main />
      <Feed />
      <Toasts />
    </Router>
  );
}

function Main() {
  const [path] = useHashLocation();
  const main = useRef<HTMLElement>(null);
  const shown = useRef(path);
  useEffect(() => {
    if (shown.current === path) return;
    shown.current = path;
    scrollTo({ top: 0 });
    // The keyboard goes on at the beginning of the new content.
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <main id="main" tabIndex={-1} ref={main}>
      <Intro />
      <Switch>
        <Route path="/people" component={People} />
        <Route path="/people/:uuid">{ofRecord(Person)}</Route>
        <Route path="/teams" component={Teams} />
        <Route path="/teams/:uuid">{ofRecord(Team)}</Route>
        <Route path="/departments" component={Departments} />
        <Route path="/departments/:uuid">{ofRecord(Department)}</Route>
        <Route path="/projects" component={Projects} />
        <Route path="/projects/:uuid">{ofRecord(Project)}</Route>
        <Route path="/templates" component={Templates} />
        <Route path="/tasks" component={Tasks} />
        <Route path="/tasks/:uuid">{ofRecord(Task)}</Route>
        <Route path="/catalogues" component={Catalogues} />
        <Route path="/catalogues/:uuid">{ofRecord(Catalogue)}</Route>
        <Route path="/items/:uuid">{ofRecord(ItemView)}</Route>
        <Route path="/manufacturers" component={Manufacturers} />
        <Route path="/contacts" component={Contacts} />
        <Route path="/contacts/:uuid">{ofRecord(ContactView)}</Route>
        <Route path="/links" component={Links} />
        <Route path="/">
          <Redirect to="/people" replace />
        </Route>
        <Route component={NoSuchPage} />
      </Switch>
      <p className="heard faint" role="status" data-testid="view-heard">
        {useFeed((feed) => feed.note)}
      </p>
    </main>
  );
}

/** A view of one record. `key`: a form of one record must not keep its input for another. */
const ofRecord =
  (View: ComponentType<{ uuid: string }>) =>
  ({ uuid }: { uuid: string }) =>
    isUuid(uuid) ? <View key={uuid} uuid={uuid} /> : <NoSuchPage />;

function NoSuchPage() {
  useTitle("No such page");
  return (
    <>
      <h1>No such page</h1>
      <p>
        <a href="#/people">Go to the start</a>
      </p>
    </>
  );
}
