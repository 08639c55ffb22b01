// What else happens to a query that is bound to topics: the user's calls of the cache, and data from elsewhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { dehydrate, hydrate, InfiniteQueryObserver, QueryClient, QueryObserver } from "@tanstack/query-core";
import { liveQueries } from "tidings/query";
import { createTestHub } from "tidings/testing";
import { LOAD, PEOPLE, page, WAY } from "./query-page.js";
import { StandIn } from "./query-world.js";

test("data that was hydrated, or there before, is older than the subscription", async (t) => {
  const here = page(t);
  const { clock, queryClient, loads } = here;
  const server = new QueryClient();
  server.setQueryData(["people"], { value: "of the server" });
  hydrate(queryClient, dehydrate(server));
  // Even if the user says that the data is never old.
  const shown = here.show(here.query(PEOPLE, {}, { staleTime: Number.POSITIVE_INFINITY }));
  assert.equal(shown.value, "of the server");
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [1, 0]);
  // The same for data of a topic that is in force already.
  queryClient.setQueryData(["person"], { value: "of a list" });
  const person = here.show(
    here.query(PEOPLE, {}, { queryKey: ["person"], staleTime: Number.POSITIVE_INFINITY }),
  );
  await clock.advance(1_000);
  assert.deepEqual([loads.length, person.value], [2, 0]);
  loads.pop();
  // The same for a query that is shown.
  server.setQueryData(["people"], { value: "of the server" }, { updatedAt: Date.now() + 1 });
  hydrate(queryClient, dehydrate(server));
  assert.equal(shown.value, "of the server");
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [2, 0]);
});

test("data that a server sends while a load runs does not stay on top", async (t) => {
  const here = page(t);
  const { clock, queryClient, publish } = here;
  const shown = here.show();
  await clock.advance(1_000);
  publish();
  await clock.advance(WAY + 5);
  const server = new QueryClient();
  server.setQueryData(["people"], { value: "of the server" }, { updatedAt: Date.now() + 1 });
  hydrate(queryClient, dehydrate(server));
  assert.equal(shown.value, "of the server");
  await clock.advance(1_000);
  assert.equal(shown.value, 1);
});

test("a promise that a server began is loaded again when it has arrived", async (t) => {
  const here = page(t);
  const { clock, queryClient, loads } = here;
  /** A server sends a query whose promise is pending. Returns the function that resolves it. */
  const send = () => {
    let arrive;
    const promise = new Promise((resolve) => {
      arrive = () => resolve({ value: "of the server" });
    });
    const server = new QueryClient();
    server.prefetchQuery({ queryKey: ["people"], queryFn: () => promise });
    hydrate(queryClient, dehydrate(server, { shouldDehydrateQuery: () => true }));
    return arrive;
  };
  let arrive = send();
  const shown = here.show();
  await clock.advance(500);
  assert.deepEqual(loads, []);
  arrive();
  await clock.advance(0);
  assert.equal(shown.value, "of the server");
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [1, 0]);
  // The same for a query that was loaded since.
  here.store = "newer";
  arrive = send();
  arrive();
  await clock.advance(0);
  assert.equal(shown.value, "of the server");
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [2, "newer"]);
});

test("a prefetch subscribes, so that the component that follows loads nothing", async (t) => {
  const { clock, client, queryClient, show, query, loads } = page(t);
  queryClient.prefetchQuery(query());
  await clock.advance(1_000);
  assert.deepEqual([client.subscriptions, loads.length], [1, 1]);
  const shown = show();
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [1, 0]);
  assert.equal(await queryClient.fetchQuery(query()).then(({ value }) => value), 0);
  assert.equal(loads.length, 1);
});

test("on a server a prefetch neither subscribes nor waits", async (t) => {
  const { clock, client, queryClient, query, loads } = page(t);
  delete globalThis.window;
  t.after(() => {
    globalThis.window = globalThis;
  });
  queryClient.prefetchQuery(query());
  await clock.advance(0);
  assert.deepEqual([client.subscriptions, loads.length], [0, 1]);
});

test("the user's own invalidation during the first load is not lost", async (t) => {
  const here = page(t);
  const { clock, queryClient, loads } = here;
  const shown = here.show();
  await clock.advance(2 * WAY + 1);
  here.store = "changed without an event";
  queryClient.invalidateQueries();
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [2, "changed without an event"]);
});

test("a refetch of the user that was cancelled is made up for, 300 ms later", async (t) => {
  const here = page(t);
  const { clock, queryClient, publish, loads } = here;
  const shown = here.show();
  await clock.advance(1_000);
  publish();
  await clock.advance(WAY + 45);
  // As an optimistic update does.
  queryClient.cancelQueries();
  queryClient.setQueryData(["people"], { value: "optimistic" });
  await clock.advance(299);
  assert.deepEqual([loads.length, shown.value], [2, "optimistic"]);
  await clock.advance(1_000);
  assert.equal(shown.value, 1);
});

test("the next page of an infinite query does not stand for the pages before", async (t) => {
  const here = page(t);
  const { clock, queryClient, publish, loads } = here;
  const observer = new InfiniteQueryObserver(
    queryClient,
    here.query(PEOPLE, {}, { initialPageParam: 0, getNextPageParam: (_, pages) => pages.length }),
  );
  observer.subscribe(() => {});
  await clock.advance(1_000);
  const values = () => observer.getCurrentResult().data.pages.map(({ value }) => value);
  // The load for the event is cancelled by the load of the next page.
  publish();
  await clock.advance(WAY + 5);
  observer.fetchNextPage();
  await clock.advance(LOAD + 1);
  assert.deepEqual(values(), [0, 1]);
  await clock.advance(2_000);
  assert.deepEqual(values(), [1, 1]);
  const { length } = loads;
  await clock.advance(10_000);
  assert.equal(loads.length, length);
  // An event while the second of two pages is loaded.
  publish();
  await clock.advance(WAY + LOAD + 5);
  publish();
  await clock.advance(2_000);
  assert.deepEqual(values(), [3, 3]);
});

test("a retry that goes on with the second page does not stand for the first", async (t) => {
  const here = page(t, { retry: 1, retryDelay: 500 });
  const { clock, queryClient, publish } = here;
  const options = { initialPageParam: 0, getNextPageParam: (_, pages) => pages.length };
  const observer = new InfiniteQueryObserver(queryClient, here.query(PEOPLE, {}, options));
  observer.subscribe(() => {});
  await clock.advance(1_000);
  observer.fetchNextPage();
  await clock.advance(1_000);
  let failures = 1;
  here.fails = (pageParam) => pageParam === 1 && failures-- > 0;
  publish();
  await clock.advance(WAY + LOAD + 5);
  publish();
  await clock.advance(3_000);
  assert.deepEqual(
    observer.getCurrentResult().data.pages.map(({ value }) => value),
    [2, 2],
  );
});

test("a query that is removed while it is loaded is loaded again", async (t) => {
  const here = page(t);
  const { clock, queryClient, publish } = here;
  const shown = here.show();
  await clock.advance(1_000);
  publish();
  await clock.advance(WAY + 5);
  queryClient.clear();
  await clock.advance(1_000);
  assert.equal(shown.value, 1);
});

test("a query that is removed while it is shown is loaded into the cache again at the next event", async (t) => {
  const here = page(t);
  const { clock, queryClient, publish, loads } = here;
  const shown = [here.show(), here.show()];
  await clock.advance(1_000);
  queryClient.clear();
  await clock.advance(1_000);
  assert.equal(loads.length, 1);
  publish();
  await clock.advance(1_000);
  assert.deepEqual(
    shown.map(({ value }) => value),
    [1, 1],
  );
  assert.equal(loads.length, 2);
  assert.equal(queryClient.getQueryData(["people"]).value, 1);
});

test("two clients may bind one query: it is loaded for the events of both, and comes to rest", async (t) => {
  const here = page(t);
  const { clock, queryClient, loads, publish } = here;
  const other = new StandIn(clock, () => WAY);
  const second = liveQueries(other, queryClient);
  here.show();
  const shown = here.show({ ...here.query(), ...second("crm:contacts") });
  await clock.advance(5_000);
  const { length } = loads;
  assert.ok(length <= 3, `${length} loads`);
  publish();
  other.publish({});
  await clock.advance(5_000);
  assert.ok(loads.length > length && loads.length <= length + 3, `${loads.length} loads`);
  assert.equal(shown.value, 1);
  const settled = loads.length;
  await clock.advance(60_000);
  assert.equal(loads.length, settled);
});

test("a default persister goes on, and what it restored is loaded again", async (t) => {
  const saved = [];
  const persister = async (queryFn, context, query) => {
    if (query.state.data === undefined) return { value: "restored" };
    saved.push(await queryFn(context));
    return saved.at(-1);
  };
  const here = page(t, { persister });
  const { clock, loads } = here;
  const shown = here.show();
  await clock.advance(5);
  assert.equal(shown.value, "restored");
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value, saved.length], [1, 0, 1]);
  // The topic is in force by now.
  for (const count of [2, 3]) {
    here.queryClient.resetQueries();
    await clock.advance(5);
    assert.equal(shown.value, "restored");
    await clock.advance(1_000);
    assert.deepEqual([loads.length, shown.value], [count, 0]);
  }
});

test("nothing is kept of a query that was removed", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const { clock, queryClient, show, query } = page(t);
  // Its topic stays in force.
  show();
  show(query(PEOPLE, {}, { queryKey: ["other"] })).hide();
  await clock.advance(1_000);
  const removed = new WeakRef(queryClient.getQueryCache().find({ queryKey: ["other"] }));
  queryClient.removeQueries({ queryKey: ["other"] });
  await clock.advance(1_000);
  collect();
  assert.equal(removed.deref(), undefined);
});

test("with a client that is closed, a query is an ordinary one, and nothing is reported", async (t) => {
  const [queryClient, reported] = [new QueryClient(), []];
  t.mock.method(console, "error", (...what) => reported.push(what));
  const client = createTestHub().createClient();
  client.close();
  const live = liveQueries(client, queryClient);
  const observer = new QueryObserver(queryClient, {
    ...live(PEOPLE),
    queryKey: ["people"],
    queryFn: () => 7,
  });
  await new Promise((resolve) => observer.subscribe(({ data }) => data && resolve()));
  assert.deepEqual([observer.getCurrentResult().isStale, reported], [true, []]);
  queryClient.clear();
});

test("another QueryClient takes the same options, which do nothing there", async (t) => {
  const { clock, client, query, loads } = page(t);
  const other = new QueryClient();
  const observer = new QueryObserver(other, query());
  observer.subscribe(() => {});
  await clock.advance(1_000);
  assert.deepEqual([client.subscriptions, loads.length], [0, 1]);
  other.clear();
});
