// A query of TanStack Query, bound to a topic.
import { QueryClient, QueryObserver } from "@tanstack/query-core";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { liveQueries } from "tidings/query";
import { say, url } from "./say.js";

const queryClient = new QueryClient();
queryClient.mount();
const live = liveQueries(createClient({ url, domains: [staff] }), queryClient);

/** The data of the application's server. */
let people = "ready";
const observer = new QueryObserver(queryClient, {
  ...live(staff.topics.people, {
    concerns: (event) => {
      if (event.event === "person_updated") people += ` ${event.payload.uuid}`;
      return true;
    },
  }),
  queryKey: ["people"],
  queryFn: () => people,
});
observer.subscribe(({ data }) => {
  if (data) say(data);
});
