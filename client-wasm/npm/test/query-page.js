// A page with queries that are bound to topics, for tests case by case. The time is the test's; `query-world.js` has the
// server's stand-in.
import assert from "node:assert/strict";
import { environmentManager, QueryClient, QueryObserver } from "@tanstack/query-core";
import { liveQueries } from "tidings/query";
import { Clock } from "./clock.js";
import { StandIn } from "./query-world.js";

// As in a browser.
globalThis.window = globalThis;
environmentManager.setIsServer(() => false);

export const PEOPLE = "staff:people";
/** How long a message is on its way. */
export const WAY = 10;
/** How long a load takes. */
export const LOAD = 50;

/** A page with queries, and a store that has only a number. */
export function page(t, { options, load = LOAD, ...defaults } = {}) {
  const clock = new Clock();
  t.after(clock.install());
  const client = new StandIn(clock, () => WAY);
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false, ...defaults } } });
  queryClient.mount();
  t.after(() => {
    queryClient.unmount();
    queryClient.clear();
  });
  const live = liveQueries(client, queryClient, options);
  const here = { clock, client, queryClient, live, store: 0, running: new Map(), loads: [] };
  let fault;
  t.after(() => assert.equal(fault, undefined));
  here.queryFn = async ({ queryKey, pageParam, signal }) => {
    here.loads.push(clock.now);
    const name = String(queryKey);
    const count = (d) => here.running.set(name, (here.running.get(name) ?? 0) + d).get(name);
    if (count(1) > 1) fault = `two fetches of ${queryKey} at ${clock.now}`;
    signal.addEventListener("abort", () => count(-1));
    const data = { value: here.store, pageParam };
    await new Promise((resolve) => setTimeout(resolve, load));
    if (!signal.aborted) count(-1);
    if (here.fails?.(pageParam)) throw new Error("no answer");
    return data;
  };
  here.query = (topics = PEOPLE, rules, more) => ({
    ...live(topics, rules),
    queryKey: ["people"],
    queryFn: here.queryFn,
    ...more,
  });
  here.show = (options = here.query()) => {
    const observer = new QueryObserver(queryClient, options);
    const hide = observer.subscribe(() => {});
    return {
      observer,
      hide,
      get value() {
        return observer.getCurrentResult().data?.value;
      },
    };
  };
  here.publish = (origin) => {
    here.store++;
    client.publish({ domain: "staff", event: "person_updated", payload: {} }, origin);
  };
  return here;
}
