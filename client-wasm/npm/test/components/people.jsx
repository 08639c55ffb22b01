// Components as a user of the package has them.
import { staff } from "tidings/domains";
import { useClient, useStatus, useSubscription, useWatch } from "tidings/react";

export function People({ load }) {
  const client = useClient();
  const { data, error } = useWatch(staff.topics.people, { load });
  if (error) return <p role="alert">{error.code}</p>;
  if (!data) return <p>Loading</p>;
  const save = (uuid) => client.publish({ domain: "staff", event: "person_updated", payload: { uuid } });
  return (
    <>
      <Badge />
      <ul>
        {data.map(({ uuid, name }) => (
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

function Badge() {
  return <output>{useStatus() === "open" ? "live" : "may be out of date"}</output>;
}

export function Listener({ heard }) {
  useSubscription(staff.topics.people, ({ event }, { own }) => heard(event, own));
  return null;
}
