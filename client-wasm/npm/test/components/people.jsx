// A component as a user of the package has it.
import { useEffect, useState } from "react";
import { staff } from "tidings/domains";

export function People({ client, load, save }) {
  const [people, setPeople] = useState();
  const [error, setError] = useState();
  const [status, setStatus] = useState(client.status);
  useEffect(() => client.on("status", setStatus), [client]);
  useEffect(() => {
    const view = client.watch(staff.topics.people, { load, onData: setPeople, onError: setError });
    return () => view.unsubscribe();
  }, [client, load]);
  if (error) return <p role="alert">{error.code}</p>;
  if (!people) return <p>Loading</p>;
  return (
    <>
      <output>{status === "open" ? "live" : "may be out of date"}</output>
      <ul>
        {people.map(({ uuid, name }) => (
          <li key={uuid}>
            {name}
            <button type="button" onClick={() => save(uuid)}>
              Save
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
