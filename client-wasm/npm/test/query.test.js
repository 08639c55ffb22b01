// When a query that is bound to topics is loaded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LOAD, PEOPLE, page, WAY } from "./query-page.js";

test("a query is loaded once when it is shown, and not before its topic is in force", async (t) => {
  const { clock, client, show, loads, queryClient } = page(t);
  const { observer } = show();
  await clock.advance(2 * WAY - 1);
  assert.deepEqual([loads, observer.getCurrentResult().isLoading], [[], true]);
  await clock.advance(5_000);
  assert.deepEqual(loads, [2 * WAY]);
  const { data, isStale } = observer.getCurrentResult();
  assert.deepEqual([data.value, isStale], [0, false]);
  // Neither the focus nor another component loads it again: nothing has changed.
  queryClient.getQueryCache().onFocus();
  show();
  await clock.advance(5_000);
  assert.equal(loads.length, 1);
  // Nor does the network when it is back: the client will say what was missed.
  client.cut();
  queryClient.getQueryCache().onOnline();
  await clock.advance(5_000);
  assert.equal(loads.length, 1);
  // A user who comes back while the connection is lost gets new data.
  queryClient.getQueryCache().onFocus();
  await clock.advance(5_000);
  assert.equal(loads.length, 2);
});

test("without a connection a query is loaded after 3 seconds, and again when its topic is in force", async (t) => {
  const { clock, client, show, loads } = page(t);
  client.cut();
  const { observer } = show();
  await clock.advance(3_000 + LOAD);
  assert.deepEqual(loads, [3_000]);
  assert.equal(observer.getCurrentResult().isStale, true);
  client.reconnect(true);
  await clock.advance(1_000);
  assert.deepEqual(loads, [3_000, 3_000 + LOAD + 2 * WAY + (300 - LOAD - 2 * WAY)]);
  assert.equal(observer.getCurrentResult().isStale, false);
});

test("the first event loads at once, and all events during 300 ms cause one load at their end", async (t) => {
  const here = page(t);
  const { clock, publish, loads } = here;
  const shown = here.show();
  await clock.advance(1_000);
  loads.length = 0;
  publish();
  await clock.advance(WAY);
  assert.deepEqual(loads, [1_000 + WAY]);
  for (let event = 0; event < 20; event++) {
    publish();
    await clock.advance(10);
  }
  await clock.advance(1_000);
  assert.deepEqual(loads, [1_000 + WAY, 1_300 + WAY]);
  assert.equal(shown.value, 21);
});

test("an event during the first load causes one more load", async (t) => {
  const here = page(t);
  const { clock, publish, loads } = here;
  const shown = here.show();
  await clock.advance(2 * WAY + 5);
  publish();
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [2, 1]);
});

test("an event during a long load leaves it alone", async (t) => {
  const here = page(t, { load: 2_000 });
  const { clock, publish, loads } = here;
  const shown = here.show();
  await clock.advance(1_000);
  publish();
  await clock.advance(1_000);
  assert.equal(loads.length, 1);
  await clock.advance(50);
  assert.equal(shown.value, 0, "the first load is shown");
  await clock.advance(3_000);
  assert.deepEqual([loads.length, shown.value], [2, 1]);
});

test("a component that comes, goes and comes again before the topic is in force causes one load", async (t) => {
  const { clock, queryClient, show, loads } = page(t);
  show().hide();
  const { observer } = show();
  await clock.advance(WAY);
  // The first fetch is cancelled while it waits.
  queryClient.cancelQueries();
  observer.refetch();
  await clock.advance(5_000);
  assert.equal(loads.length, 1);
});

test("a first load that the user cancels is not begun again before the next event", async (t) => {
  const here = page(t);
  const { clock, queryClient, publish, loads } = here;
  const shown = here.show();
  await clock.advance(2 * WAY + 1);
  queryClient.cancelQueries();
  await clock.advance(5_000);
  assert.equal(loads.length, 1);
  publish();
  await clock.advance(1_000);
  assert.equal(shown.value, 1);
});

test("a load that the user began counts, and takes the place of the one that was due", async (t) => {
  const here = page(t);
  const { clock, publish, loads } = here;
  const { observer } = here.show();
  await clock.advance(100);
  publish();
  await clock.advance(WAY + 1);
  observer.refetch();
  await clock.advance(2_000);
  assert.equal(loads.length, 2);
});

test("a query that no component shows is only marked, and loaded when one shows it again", async (t) => {
  const here = page(t);
  const { clock, publish, loads, queryClient } = here;
  const first = here.show();
  await clock.advance(1_000);
  first.hide();
  await clock.advance(10_000);
  const again = here.show();
  await clock.advance(1_000);
  assert.equal(loads.length, 1, "it was shown again and had missed nothing");
  again.hide();
  publish();
  await clock.advance(1_000);
  assert.equal(loads.length, 1);
  assert.equal(queryClient.getQueryState(["people"]).isInvalidated, true);
  // An optimistic update takes the cache's mark away. The data is as old as before.
  queryClient.setQueryData(["people"], (old) => ({ ...old }));
  const last = here.show();
  await clock.advance(1_000);
  assert.deepEqual([loads.length, last.value], [2, 1]);
});

test("a subscription goes on for 30 seconds without a component, and then the query is marked", async (t) => {
  const here = page(t);
  const { clock, client, queryClient, loads } = here;
  here.show().hide();
  here.show().hide();
  await clock.advance(29_999);
  assert.equal(client.subscriptions, 1);
  await clock.advance(2);
  assert.equal(client.subscriptions, 0);
  assert.equal(queryClient.getQueryState(["people"]).isInvalidated, true);
  const { length } = loads;
  here.show();
  await clock.advance(1_000);
  assert.equal(loads.length, length + 1);
});

test("with `linger: Infinity`, a subscription goes on", async (t) => {
  const { clock, client, loads, show } = page(t, { options: { linger: Number.POSITIVE_INFINITY } });
  show().hide();
  await clock.advance(100_000);
  assert.equal(client.subscriptions, 1);
  show();
  await clock.advance(1_000);
  assert.equal(loads.length, 1);
});

test("at most 100 subscriptions go on without a component: the one that was left first ends", async (t) => {
  const { clock, client, show, query } = page(t);
  for (let id = 0; id < 120; id++) show(query(`staff:person:${id}`, {}, { queryKey: ["person", id] })).hide();
  assert.equal(client.subscriptions, 100);
  await clock.advance(40_000);
  assert.equal(client.subscriptions, 0);
});

test("queries of the same topics share a subscription, in whatever order the topics are", (t) => {
  const { client, show, query } = page(t);
  for (let id = 0; id < 50; id++)
    show(query(id % 2 ? ["a:x", "b:y"] : ["b:y", "a:x"], {}, { queryKey: ["person", id] }));
  assert.equal(client.subscriptions, 1);
});

test("a reconnect that missed nothing loads nothing, and a sync loads each query of the topic", async (t) => {
  const here = page(t);
  const { clock, client, loads, queryClient } = here;
  here.show();
  here.show(here.query(PEOPLE, {}, { queryKey: ["other"], queryFn: () => 1 }));
  await clock.advance(1_000);
  client.cut();
  await clock.advance(1_000);
  client.reconnect(true);
  await clock.advance(1_000);
  assert.equal(loads.length, 1);
  client.lag();
  await clock.advance(1_000);
  assert.equal(loads.length, 2);
  assert.equal(queryClient.getQueryState(["other"]).dataUpdateCount, 2);
});

test("while the client is degraded, a component that is mounted loads, and no longer when it is restored", async (t) => {
  const { clock, client, loads, show } = page(t);
  show();
  await clock.advance(1_000);
  for (const [status, expected] of [
    ["open", 1],
    ["degraded", 2],
    ["open", 2],
  ]) {
    client.status = status;
    show().hide();
    await clock.advance(1_000);
    assert.equal(loads.length, expected, status);
  }
});

test("`concerns` chooses the events, and a rule that throws chooses all", async (t) => {
  const here = page(t);
  const { clock, client, publish, loads } = here;
  let concerns = (event) => event.event !== "person_updated";
  here.show(here.query(PEOPLE, { concerns: (...args) => concerns(...args) }));
  await clock.advance(1_000);
  publish();
  await clock.advance(1_000);
  assert.equal(loads.length, 1);
  concerns = () => {
    throw new Error("of the user");
  };
  publish();
  await clock.advance(1_000);
  assert.deepEqual([loads.length, client.errors.map(({ message }) => message)], [2, ["of the user"]]);
});

test("`skipOwn` loads nothing for a write that the page has shown", async (t) => {
  const here = page(t);
  const { clock, client, publish, loads, queryClient } = here;
  here.show(here.query(PEOPLE, { skipOwn: true }));
  await clock.advance(1_000);
  const write = () => `${"-".repeat(37)}${++client.origin.writes}`;
  const origin = write();
  queryClient.setQueryData(["people"], { value: here.store + 1 });
  publish(origin);
  await clock.advance(1_000);
  assert.equal(loads.length, 1);
  // A fetch ran since the write: it may have shown older data on top.
  const second = write();
  queryClient.refetchQueries();
  await clock.advance(1_000);
  publish(second);
  await clock.advance(1_000);
  assert.equal(loads.length, 3);
});

test("`skipOwn` does not skip during a fetch, after another write, or for a query that was removed", async (t) => {
  const here = page(t);
  const { clock, client, publish, loads, queryClient } = here;
  here.show(here.query(PEOPLE, { skipOwn: true }));
  await clock.advance(1_000);
  const write = () => `${"-".repeat(37)}${++client.origin.writes}`;
  queryClient.refetchQueries();
  publish(write());
  await clock.advance(1_000);
  assert.equal(loads.length, 3, "during a fetch");
  const first = write();
  write();
  publish(first);
  await clock.advance(1_000);
  assert.equal(loads.length, 4, "after another write");
  queryClient.clear();
  publish(write());
  await clock.advance(1_000);
  assert.equal(loads.length, 5, "removed");
});

test("a disabled query subscribes to nothing until it is enabled", async (t) => {
  const { clock, client, show, query, loads } = page(t);
  const { observer } = show(query(PEOPLE, {}, { enabled: false }));
  await clock.advance(1_000);
  assert.deepEqual([client.subscriptions, loads.length], [0, 0]);
  observer.setOptions(query());
  await clock.advance(1_000);
  assert.deepEqual([client.subscriptions, loads.length], [1, 1]);
  observer.setOptions(query(PEOPLE, {}, { enabled: () => false }));
  await clock.advance(40_000);
  assert.equal(client.subscriptions, 0);
});

test("a load that fails is not tried again by itself, and the next event, `resume` or render does not loop", async (t) => {
  const here = page(t);
  const { clock, client, publish, loads } = here;
  const { observer } = here.show();
  await clock.advance(1_000);
  here.fails = () => true;
  publish();
  await clock.advance(1_000);
  assert.equal(observer.getCurrentResult().status, "error");
  assert.equal(loads.length, 2);
  observer.setOptions(here.query());
  await clock.advance(10_000);
  assert.equal(loads.length, 2);
  here.fails = undefined;
  here.queryClient.getQueryCache().onOnline();
  await clock.advance(1_000);
  assert.equal(loads.length, 3, "the network is back");
  here.fails = () => true;
  publish();
  await clock.advance(1_000);
  assert.equal(loads.length, 4);
  here.fails = undefined;
  client.cut();
  client.reconnect(true);
  await clock.advance(1_000);
  assert.deepEqual([loads.length, observer.getCurrentResult().data.value], [5, 2]);
});

test("the query's topics of one key may differ between components: the events of all count", async (t) => {
  const here = page(t);
  const { clock, client, show, query, publish, loads } = here;
  show(query("a:x"));
  const shown = show(query("b:y"));
  await clock.advance(1_000);
  assert.equal(client.subscriptions, 2);
  const { length } = loads;
  publish();
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [length + 1, 1]);
});

test("an error of a subscription reaches the client's listeners, and the query is an ordinary one", async (t) => {
  const here = page(t);
  const { clock, client, publish, loads } = here;
  const shown = here.show();
  await clock.advance(1_000);
  client.fail({ code: "invalid_event" });
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.observer.getCurrentResult().isStale], [2, false]);
  client.fail({ code: "forbidden", topic: PEOPLE });
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.observer.getCurrentResult().isStale], [3, true]);
  assert.deepEqual(
    client.errors.map(({ code }) => code),
    ["invalid_event", "forbidden"],
  );
  here.queryClient.getQueryCache().onFocus();
  await clock.advance(1_000);
  assert.equal(loads.length, 4);
  publish();
  await clock.advance(1_000);
  assert.deepEqual([loads.length, shown.value], [5, 1]);
});

test("a topic that nobody can mean is an error, and the query is loaded all the same", async (t) => {
  const here = page(t);
  const { clock, client, loads } = here;
  client.subscribe = () => {
    throw Object.assign(new Error("no topic"), { code: "invalid_topic" });
  };
  here.show(here.query("staff:person:undefined"));
  await clock.advance(1_000);
  assert.deepEqual([loads.length, client.errors.map(({ code }) => code)], [1, ["invalid_topic"]]);
});
