// The people of the backend.

import { staff } from "tidings/domains";
import { useWatch } from "tidings/react";

export interface Person {
  uuid: string;
  name: string;
}

async function loadPeople(signal: AbortSignal): Promise<Person[]> {
  const answer = await fetch("/api/people", { signal });
  if (!answer.ok) throw new Error(`The people were not loaded: ${answer.status}`);
  return answer.json();
}

/** The people, up to date. All components that call this share one subscription and one load. */
export const usePeople = () => useWatch(staff.topics.people, { load: loadPeople, skipOwn: true });

/** Saves a person. By the headers, this page knows the event that the write causes. */
export async function savePerson({ uuid, name }: Person, headers: Record<string, string>): Promise<void> {
  const body = JSON.stringify({ name });
  const answer = await fetch(`/api/people/${uuid}`, { method: "PUT", headers, body });
  if (!answer.ok) throw new Error(`The person was not saved: ${answer.status}`);
}
