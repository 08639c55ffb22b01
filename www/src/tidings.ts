import { MutationCache, QueryClient } from "@tanstack/react-query";
import { createClient } from "tidings";
import { catalogue, crm, projects, staff, store } from "tidings/domains";
import { liveQueries } from "tidings/query";
import { Problem } from "./problem.ts";
import { toast } from "./toasts.ts";

/** How often a load is tried again before the view shows its error. */
const MAX_RETRIES = 3;

/** The one connection of this window. */
export const client = createClient({ url: "/v1/ws", domains: [catalogue, crm, projects, staff, store] });

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < MAX_RETRIES && !(error instanceof Problem && !error.retryable),
      retryDelay: 1_000,
      // The demo's server is this machine, which can be reached without a network.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
  mutationCache: new MutationCache({
    // A form shows its own error.
    onError: (error, _variables, _result, { meta }) => {
      if (!meta?.showsError) toast(error.message, "fault");
    },
  }),
});

/** Makes a query live: it is loaded again when an event of its topics may have changed its data. See `queries.ts`. */
export const live = liveQueries(client, queryClient);

// Errors of the whole client, such as a browser that forbids WebAssembly.
client.on("error", ({ message, hint }) => toast(hint ? `${message} ${hint}` : message, "fault"));
