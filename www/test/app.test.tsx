// The page on a hub in the process of the test, with the client that it creates itself.

import { QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { TidingsProvider } from "tidings/react";
import { createTestHub } from "tidings/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { App } from "../src/app.tsx";
import { clearFeed } from "../src/feed.ts";
import { Problem } from "../src/problem.ts";
import { client, queryClient } from "../src/tidings.ts";
import { Backend, LAMP, MEI } from "./backend.ts";
import { PATIENCE_MS } from "./setup.ts";

const hub = createTestHub();
let backend: Backend;

/** Waits as long as a machine needs that does other work. */
const until = (holds: () => void) => vi.waitFor(holds, PATIENCE_MS);

/** Opens a view, and waits until it is live and its data is there. */
async function open(path: string) {
  location.hash = path;
  render(
    <TidingsProvider client={client}>
      <QueryClientProvider client={queryClient}>
        <App />
      </QueryClientProvider>
    </TidingsProvider>,
  );
  await until(() => shows("status", "live"));
  await screen.findByRole("heading", { level: 1 });
  await until(() => expect(queryClient.isFetching()).toBe(0));
  backend.answer.mockClear();
}

const shows = (testid: string, text: string) =>
  expect(screen.getByTestId(testid).textContent).toContain(text);
const box = () => screen.getByRole<HTMLInputElement>("checkbox", { name: "Test it is done" });

beforeEach(() => {
  backend = new Backend(hub);
  vi.stubGlobal("WebSocket", hub.WebSocket);
  vi.stubGlobal("fetch", backend.fetch);
});

afterEach(() => {
  cleanup();
  queryClient.clear();
  clearFeed();
});

test("a list shows what another window changed, and the feed says so", async () => {
  await open("/people");
  shows("people", "Engineer");
  backend.changePerson({ role: "Head of hardware" });
  await within(screen.getByTestId("people")).findByText("Head of hardware");
  expect(backend.loads).toBe(1);
  shows("feed", "person updated");
  shows("feed", "another window");
  await until(() => shows("announcer", "In another window: staff, person updated"));
});

test("a saved form shows the stored record, and the feed knows whose change it was", async () => {
  await open(`/people/${MEI}`);
  fireEvent.click(screen.getByTestId("edit"));
  fireEvent.change(screen.getByLabelText("Role"), { target: { value: "Head of hardware" } });
  fireEvent.submit(screen.getByTestId("edit-form"));
  await until(() => shows("value-role", "Head of hardware"));
  expect(screen.queryByTestId("edit-form")).toBeNull();
  expect(document.activeElement).toBe(screen.getByTestId("edit"));
  shows("feed", "this window");
  const [written] = backend.answer.mock.calls.find(([{ method }]) => method === "PATCH") ?? [];
  expect(written?.body).toEqual({ role: "Head of hardware" });
});

test("a form keeps what was typed when newer data arrives, and offers the newer data", async () => {
  await open(`/people/${MEI}`);
  fireEvent.click(screen.getByTestId("edit"));
  fireEvent.change(screen.getByLabelText("Role"), { target: { value: "Typed by hand" } });
  backend.changePerson({ role: "From elsewhere", email: "new@example.com" });
  await until(() => shows("newer", "Role"));
  expect(screen.getByLabelText<HTMLInputElement>("Role").value).toBe("Typed by hand");
  expect(screen.getByLabelText<HTMLInputElement>("E-mail").value).toBe("new@example.com");
  fireEvent.change(screen.getByLabelText("Role"), { target: { value: "Typed further" } });
  shows("newer", "Role");

  fireEvent.click(screen.getByTestId("newer-keep"));
  expect(screen.queryByTestId("newer")).toBeNull();
  expect(screen.getByLabelText<HTMLInputElement>("Role").value).toBe("Typed further");

  backend.changePerson({ role: "Again from elsewhere" });
  await until(() => shows("newer", "Role"));
  fireEvent.click(screen.getByTestId("newer-take"));
  expect(screen.getByLabelText<HTMLInputElement>("Role").value).toBe("Again from elsewhere");
});

test("a form says why the API refuses a value, and its field gets the focus", async () => {
  await open(`/people/${MEI}`);
  fireEvent.click(screen.getByTestId("edit"));
  fireEvent.change(screen.getByLabelText("Role"), { target: { value: "x" } });
  backend.answer.mockRejectedValueOnce(new Problem(422, "invalid_field", "too short", "role"));
  fireEvent.submit(screen.getByTestId("edit-form"));
  await until(() => shows("fault", "too short"));
  expect(screen.getByLabelText("Role").getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(screen.getByLabelText("Role"));
});

test("a box is ticked at once, and the event of that write loads nothing", async () => {
  await open(`/projects/${LAMP}`);
  const write = backend.answer.getMockImplementation();
  let release = () => {};
  backend.answer.mockImplementationOnce(async (request) => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return write?.(request);
  });
  fireEvent.click(box());
  await until(() => expect(box().checked).toBe(true));
  expect(backend.project.assignments[0]?.is_done).toBe(false);
  release();
  await until(() => shows("view-heard", "Your change is shown already"));
  expect(backend.project.assignments[0]?.is_done).toBe(true);
  expect(backend.loads).toBe(0);
});

test("a box that could not be ticked shows the stored value, and a toast says why", async () => {
  await open(`/projects/${LAMP}`);
  backend.answer.mockRejectedValueOnce(new Error("away"));
  fireEvent.click(box());
  await until(() => shows("toasts", "cannot be reached"));
  await until(() => expect(box().checked).toBe(false));
  expect(backend.loads).toBe(1);
});

test("an address that names no record says so", async () => {
  await open("/people/undefined");
  screen.getByRole("heading", { name: "No such page" });
});

test("after a cut in which nothing was missed nothing is loaded, and meanwhile the badge warns", async () => {
  await open("/people");
  act(() => hub.stop());
  await until(() => shows("status", "may be out of date"));
  act(() => hub.start());
  await until(() => shows("status", "live"));
  shows("view-heard", "Nothing was missed");
  expect(backend.loads).toBe(0);
});

test("after a restart of the server everything is loaded again", async () => {
  await open("/people");
  backend.person = { ...backend.person, role: "Changed while away" };
  act(() => hub.restart());
  await until(() => shows("people", "Changed while away"));
  shows("view-heard", "Events may have been missed");
  shows("feed", "load again");
});

const LINK = {
  id: 3,
  title: "From a shell",
  url: "https://example.org/3",
  note: "",
  tags: ["shell"],
  votes: 7,
};

/** Opens the links, and waits until the terminal's command is there, which is loaded last. */
async function openLinks() {
  await open("/links");
  await screen.findByTestId("command");
  backend.answer.mockClear();
}

const titles = () =>
  within(screen.getByTestId("links"))
    .queryAllByRole("link")
    .map(({ textContent }) => textContent);

test("a list takes the records that the events of the bridge carry, and loads nothing", async () => {
  await openLinks();
  expect(titles()).toEqual(["Link 2", "Link 1"]);
  backend.bridge(3, LINK);
  await until(() => expect(titles()).toEqual(["From a shell", "Link 2", "Link 1"]));
  shows("links", "shell");
  shows("links", "▲ 7");
  backend.bridge(1, { ...LINK, id: 1, title: "Replaced" });
  await until(() => expect(titles()).toEqual(["From a shell", "Link 2", "Replaced"]));
  for (const key of [3, 2, 1]) backend.bridge(key);
  await until(() => shows("links", "There are no links"));
  expect(backend.loads).toBe(0);
  shows("feed", "the table");
  await until(() => shows("announcer", "In the table: store"));
});

test("a record that is none is not shown: the list is loaded", async () => {
  await openLinks();
  backend.links = [{ ...LINK, title: "Stored" }];
  backend.bridge(3, { ...LINK, votes: "many" });
  await until(() => expect(titles()).toEqual(["Stored"]));
  expect(backend.loads).toBe(1);
});

test("a record that comes during a load does not hide what the load could not see", async () => {
  await openLinks();
  const read = backend.answer.getMockImplementation();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  backend.answer.mockImplementationOnce(async (request) => {
    const old = read?.(request);
    await held;
    return old;
  });
  backend.bridge(3, { id: "no link" });
  await until(() => expect(backend.loads).toBe(1));
  backend.links = [LINK];
  backend.bridge(3, LINK);
  release();
  await until(() => expect(titles()).toEqual(["From a shell"]));
  expect(backend.loads).toBe(2);
});

test("the command of the terminal can be pasted, whatever the name of the file", async () => {
  const writeText = vi.fn(async () => {});
  // jsdom has no clipboard.
  Object.assign(navigator, { clipboard: { writeText } });
  await openLinks();
  fireEvent.click(screen.getByRole("radio", { name: "Delete all" }));
  fireEvent.click(screen.getByTestId("copy"));
  await until(() => expect(writeText).toHaveBeenCalled());
  expect(writeText).toHaveBeenCalledWith(`sqlite3 '/a folder/it'\\''s.sqlite' "DELETE FROM links"`);
});
