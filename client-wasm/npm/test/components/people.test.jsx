// Run by `testing-vitest.test.js`, in Vitest with jsdom, with the packed package.
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { staff } from "tidings/domains";
import { TidingsProvider } from "tidings/react";
import { createTestHub } from "tidings/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Listener, People } from "./people.jsx";

const ANN = { uuid: "0198c0de-0000-7000-8000-000000000001", name: "Ann" };
const BEN = { uuid: "0198c0de-0000-7000-8000-000000000002", name: "Ben" };
const created = { domain: "staff", event: "person_created", payload: { uuid: BEN.uuid } };

const NUMBERS = Array.from({ length: 100 }, (_, number) => number);

let hub;
let client;
let people;
let load;

/** Shows a component of a new client, and waits until its data is there. */
async function show(component = <People load={load} />) {
  client = hub.createClient({ domains: [staff] });
  const shown = render(<TidingsProvider client={client}>{component}</TidingsProvider>);
  await act(() => hub.settled());
  return shown;
}

const names = () => screen.getAllByRole("listitem").map((item) => item.firstChild.textContent);

beforeEach(() => {
  vi.spyOn(console, "error");
  load = vi.fn(async () => [...people]);
  hub = createTestHub();
  people = [ANN];
});

afterEach(() => {
  cleanup();
  hub.close();
  vi.useRealTimers();
  const told = console.error.mock.calls;
  vi.restoreAllMocks();
  expect(told).toEqual([]);
});

test("there is no WebSocket that the client could use", () => {
  expect(navigator.userAgent).toContain("jsdom");
  vi.stubGlobal("WebSocket", undefined);
});

test("shows the people, and a new one when its event comes", async () => {
  await show();
  expect(names()).toEqual(["Ann"]);
  people.push(BEN);
  hub.emit(staff.topics.people, created);
  await act(() => hub.settled());
  expect(names()).toEqual(["Ann", "Ben"]);
});

test("the same with Testing Library's own waiting", async () => {
  client = hub.createClient({ domains: [staff] });
  render(
    <TidingsProvider client={client}>
      <People load={load} />
    </TidingsProvider>,
  );
  await screen.findByText("Ann");
  people.push(BEN);
  hub.emit(staff.topics.people, created);
  await screen.findByText("Ben");
});

test("says that it may be out of date while the connection is lost, and catches up", async () => {
  await show();
  hub.drop();
  await act(() => hub.settled());
  screen.getByText("may be out of date");
  people.push(BEN);
  hub.emit(staff.topics.people, created);
  await screen.findByText("Ben");
  screen.getByText("live");
  expect(load).toHaveBeenCalledTimes(2);
});

test("loads nothing after a short cut, and again after a restart", async () => {
  vi.useFakeTimers();
  await show();
  for (const [trouble, loads] of [
    [() => hub.drop(), 1],
    [() => hub.restart(), 2],
  ]) {
    trouble();
    await act(() => hub.settled());
    screen.getByText("may be out of date");
    await act(() => vi.advanceTimersByTimeAsync(250));
    await act(() => hub.settled());
    screen.getByText("live");
    expect(load).toHaveBeenCalledTimes(loads);
  }
});

test("shows the data after three seconds without a server", async () => {
  vi.useFakeTimers();
  hub.stop();
  await show();
  const heard = vi.fn();
  client.on("error", heard);
  screen.getByText("Loading");
  await act(() => vi.advanceTimersByTimeAsync(3_000));
  expect(names()).toEqual(["Ann"]);
  screen.getByText("may be out of date");
  hub.start();
  await act(() => vi.advanceTimersByTimeAsync(250));
  await act(() => hub.settled());
  screen.getByText("live");
  expect(load).toHaveBeenCalledTimes(2);
  expect(heard.mock.calls.map(([{ code }]) => code)).toEqual(["connect_failed"]);
});

test("an event that is late comes with the fake time, and a minute of it ends no connection", async () => {
  vi.useFakeTimers();
  await show();
  hub.lag(500);
  people.push(BEN);
  hub.emit(staff.topics.people, created);
  await act(() => vi.advanceTimersByTimeAsync(499));
  expect(names()).toEqual(["Ann"]);
  await act(() => vi.advanceTimersByTimeAsync(1));
  expect(names()).toEqual(["Ann", "Ben"]);
  hub.lag(0);
  for (const advance of [() => vi.advanceTimersByTimeAsync(60_000), () => vi.advanceTimersByTime(60_000)]) {
    await act(advance);
    await act(() => hub.settled());
    screen.getByText("live");
  }
  expect(hub.frames.filter(({ op }) => op === "hello")).toHaveLength(1);
});

test("shows why a topic is refused", async () => {
  hub.refuse(staff.topics.people);
  await show();
  expect(screen.getByRole("alert").textContent).toBe("forbidden");
});

test("a button publishes, and another tab hears of it", async () => {
  hub = createTestHub({ topicsOf: () => [staff.topics.people] });
  const other = hub.createClient({ domains: [staff] });
  const heard = vi.fn();
  other.subscribe(staff.topics.people, heard);
  await show();
  fireEvent.click(screen.getByRole("button"));
  await act(() => hub.settled());
  expect(hub.published.map(({ event }) => event.payload)).toEqual([{ uuid: ANN.uuid }]);
  expect(heard).toHaveBeenCalledWith(
    expect.objectContaining({ event: "person_updated" }),
    expect.objectContaining({ own: false, decoded: true }),
  );
  expect(load).toHaveBeenCalledTimes(2);
});

test("a request of the page marks the event that its backend publishes as its own", async () => {
  const heard = vi.fn();
  await show(<Listener heard={heard} />);
  const { "Tidings-Origin": origin } = client.writeHeaders();
  hub.emit(staff.topics.people, created, { origin });
  hub.emit(staff.topics.people, created);
  await act(() => hub.settled());
  expect(heard.mock.calls).toEqual([
    ["person_created", true],
    ["person_created", false],
  ]);
});

test("a hundred components have one connection and share one load, and the last one's data lingers", async () => {
  vi.useFakeTimers();
  const shown = await show(NUMBERS.map((number) => <People key={number} load={load} />));
  expect(names()).toHaveLength(NUMBERS.length);
  expect(hub.frames.map(({ op }) => op)).toEqual(["hello", "subscribe"]);
  shown.unmount();
  await hub.settled();
  expect(hub.subscriptions).toEqual([staff.topics.people]);
  await vi.advanceTimersByTimeAsync(30_000);
  await hub.settled();
  expect(hub.subscriptions).toEqual([]);
  expect(load).toHaveBeenCalledTimes(1);
});

test.each(NUMBERS.slice(0, 40))("one of many quick tests: %i", async () => {
  await show();
  people.push(BEN);
  hub.emit(staff.topics.people, created);
  await act(() => hub.settled());
  expect(names()).toEqual(["Ann", "Ben"]);
});
