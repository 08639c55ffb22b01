import { useState } from "react";
import { useStatus } from "tidings/react";
import { EditPerson } from "./EditPerson";
import { usePeople } from "./people";

export function People() {
  const { data, error, isStale } = usePeople();
  const [edited, setEdited] = useState<string>();
  const status = useStatus();
  const person = data?.find(({ uuid }) => uuid === edited);
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
      {person && <EditPerson key={person.uuid} person={person} onDone={() => setEdited(undefined)} />}
    </>
  );
}
