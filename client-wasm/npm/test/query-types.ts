// Types of `tidings/query` that the compiler must find, and mistakes that it must refuse. Never run: `npm run check` compiles it.
import {
  type InfiniteData,
  infiniteQueryOptions,
  keepPreviousData,
  QueryClient,
  queryOptions,
  skipToken,
  useInfiniteQuery,
  useQueries,
  useQuery,
  useSuspenseQuery,
} from "@tanstack/react-query";
import { createClient, type EventMeta, type UntypedEvent } from "tidings";
import { type ProjectsTasksEvent, projects, type StaffPeopleEvent, staff } from "tidings/domains";
import { liveQueries } from "tidings/query";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

interface Person {
  name: string;
}
declare const id: string;
declare const fetchPeople: (signal: AbortSignal) => Promise<Person[]>;

const queryClient = new QueryClient();
const live = liveQueries(createClient({ domains: [staff] }), queryClient, { minInterval: 100, linger: 0 });
// A client of any domains.
liveQueries(createClient(), queryClient);
// @ts-expect-error the two the other way round
liveQueries(queryClient, createClient());

const people = queryOptions({
  ...live(staff.topics.people),
  queryKey: ["people"],
  queryFn: ({ signal }) => fetchPeople(signal),
});

export function useAll(): void {
  const cached = queryClient.getQueryData(people.queryKey);
  same<typeof cached, Person[] | undefined>(true);
  const all = useQuery(people);
  same<typeof all.data, Person[] | undefined>(true);
  const suspended = useSuspenseQuery(people);
  same<typeof suspended.data, Person[]>(true);
  void queryClient.prefetchQuery(people);
  const several = useQueries({ queries: [people, people] });
  same<(typeof several)[0]["data"], Person[] | undefined>(true);

  // Every callback is typed as without `live`.
  const count = useQuery({
    ...live([staff.topics.people, staff.topics.person(id)], {
      concerns: (event, meta) => {
        same<typeof meta, EventMeta>(true);
        return event.event === "person_updated" && event.payload.uuid === id;
      },
      skipOwn: (event) => event.event !== "person_created",
    }),
    queryKey: ["people", id],
    queryFn: id ? ({ queryKey, signal }) => (queryKey[1] ? fetchPeople(signal) : []) : skipToken,
    select: (found) => found.length,
    placeholderData: keepPreviousData,
    enabled: ({ state }) => state.data === undefined,
    throwOnError: (error) => error.message === "",
    staleTime: 1_000,
  });
  same<typeof count.data, number | undefined>(true);

  const endless = infiniteQueryOptions({
    ...live(staff.topics.people),
    queryKey: ["people", "pages"],
    queryFn: ({ pageParam, signal }) => (pageParam > 0 ? fetchPeople(signal) : []),
    initialPageParam: 0,
    getNextPageParam: (last, _, param) => (last.length ? param + 1 : undefined),
  });
  const pages = useInfiniteQuery(endless);
  same<typeof pages.data, InfiniteData<Person[]> | undefined>(true);

  live(staff.topics.people, {
    concerns: (event) => {
      same<typeof event, StaffPeopleEvent>(true);
      return true;
    },
  });
  live([staff.topics.people, projects.topics.tasks], {
    concerns: (event) => {
      same<typeof event, StaffPeopleEvent | ProjectsTasksEvent>(true);
      return true;
    },
  });
  // A topic of a domain that the client does not know.
  live("elsewhere:all", {
    concerns: (event) => {
      same<typeof event, UntypedEvent>(true);
      return true;
    },
  });
  live("staff:people", {
    concerns: (event) => {
      same<typeof event, StaffPeopleEvent>(true);
      return true;
    },
  });
  // @ts-expect-error misspelt
  live("staff:peple");
  // @ts-expect-error no such event
  live(staff.topics.people, { concerns: (event) => event.event === "person_promoted" });
  // @ts-expect-error not a rule
  live(staff.topics.people, { minInterval: 5 });
}
