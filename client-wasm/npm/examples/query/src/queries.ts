// The client, and the queries of the page.

import { QueryClient, queryOptions } from "@tanstack/react-query";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { liveQueries } from "tidings/query";

export interface Person {
  uuid: string;
  name: string;
}

export const client = createClient({ domains: [staff] });
export const queryClient = new QueryClient();

const live = liveQueries(client, queryClient);

export const people = queryOptions({
  ...live(staff.topics.people, { skipOwn: true }),
  queryKey: ["people"],
  queryFn: async ({ signal }): Promise<Person[]> => {
    const answer = await fetch("/api/people", { signal });
    if (!answer.ok) throw new Error(`The people were not loaded: ${answer.status}`);
    return answer.json();
  },
});

/** One person, while its form is open. Events about other people cause no load. */
export const person = (uuid: string) =>
  queryOptions({
    ...live(staff.topics.people, {
      concerns: (event) => "uuid" in event.payload && event.payload.uuid === uuid,
      skipOwn: true,
    }),
    queryKey: ["people", uuid],
    queryFn: async ({ signal }): Promise<Person> => {
      const answer = await fetch(`/api/people/${uuid}`, { signal });
      if (!answer.ok) throw new Error(`The person was not loaded: ${answer.status}`);
      return answer.json();
    },
  });

/** Saves a person. By the headers, this page knows the event that the write causes. */
export async function savePerson({ uuid, name }: Person): Promise<void> {
  const headers = client.writeHeaders();
  const answer = await fetch(`/api/people/${uuid}`, {
    method: "PUT",
    headers,
    body: JSON.stringify({ name }),
  });
  if (!answer.ok) throw new Error(`The person was not saved: ${answer.status}`);
}
