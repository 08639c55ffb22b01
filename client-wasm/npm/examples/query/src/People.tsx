import { useQuery } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import { EditPerson } from "./EditPerson";
import { client, people } from "./queries";

const useStatus = () =>
  useSyncExternalStore(
    (changed) => client.on("status", changed),
    () => client.status,
  );

export function People() {
  const { data, error, isStale } = useQuery(people);
  const [edited, setEdited] = useState<string>();
  const status = useStatus();
  return (
    <>
      <h1>People</h1>
      <p role="status">{isStale ? `may be out of date (${status})` : status}</p>
      {error && <p role="alert">{error.message}</p>}
      {data ? (
        <ul>
          {data.map(({ uuid, name }) => (
            <li key={uuid}>
              {name}{" "}
              <button type="button" onClick={() => setEdited(uuid)}>
                Edit
              </button>
            </li>
          ))}
        </ul>
      ) : (
        <p>Loading …</p>
      )}
      {edited && <EditPerson key={edited} uuid={edited} onDone={() => setEdited(undefined)} />}
    </>
  );
}
