// Types of `tidings/react` that the compiler must find, and mistakes that it must refuse. Never run: `npm run check` compiles it.
import { createElement } from "react";
import { createClient, type Status, type TidingsError, type UntypedEvent } from "tidings";
import {
  type ProjectsTasksEvent,
  projects,
  type StaffPeopleEvent,
  type StaffPersonEvent,
  staff,
} from "tidings/domains";
import {
  TidingsProvider,
  useClient,
  type useStatus,
  useSubscription,
  useWatch,
  type Watched,
} from "tidings/react";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

const client = createClient({ domains: [staff] });
declare const id: string | undefined;

createElement(TidingsProvider, { client }, "text");
// @ts-expect-error no client
createElement(TidingsProvider, {}, "text");

export function useAll(): void {
  same<ReturnType<typeof useStatus>, Status>(true);
  // A client of any domains publishes untyped events. The type of a client has its domains.
  void useClient().publish({ domain: "elsewhere", event: "anything", payload: 1 });
  // @ts-expect-error no such event
  void useClient<typeof client>().publish({ domain: "staff", event: "promoted", payload: {} });

  const people = useWatch(staff.topics.people, {
    key: ["people", id],
    load: async (signal) => [signal.aborted],
    concerns: (event) => {
      same<typeof event, StaffPeopleEvent>(true);
      return event.event === "person_updated";
    },
    skipOwn: (event, meta) => event.domain === "staff" && meta.own,
    minInterval: 1_000,
    linger: 0,
  });
  same<typeof people, Watched<boolean[]>>(true);
  same<typeof people.data, boolean[] | undefined>(true);
  same<typeof people.error, TidingsError | undefined>(true);
  people.setData((data) => [...(data ?? []), true]);
  // @ts-expect-error data of another type
  people.setData(() => "none");

  // Topics that are not known yet.
  useWatch(id === undefined ? null : staff.topics.person(id), {
    load: () => 1,
    concerns: (event) => {
      same<typeof event, StaffPersonEvent>(true);
      return true;
    },
  });
  // @ts-expect-error data that nobody loads
  useWatch(staff.topics.people, {});
  // @ts-expect-error no key
  useWatch(staff.topics.people, { load: () => 1, key: 7 });

  useSubscription([staff.topics.people, projects.topics.tasks], (event, { own }) => {
    same<typeof event, StaffPeopleEvent | ProjectsTasksEvent>(true);
    void own;
  });
  useSubscription("elsewhere:all", (event) => same<typeof event, UntypedEvent>(true), {
    onReady: () => {},
    onSync: ({ topics }) => void topics,
    onError: ({ code }) => void code,
  });
}
