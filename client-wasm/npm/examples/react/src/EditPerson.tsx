import { type FormEvent, useState } from "react";
import { useClient } from "tidings/react";
import { type Person, savePerson, usePeople } from "./people";

export function EditPerson({ person, onDone }: { person: Person; onDone(): void }) {
  const client = useClient();
  const { setData, reload } = usePeople();
  const [name, setName] = useState(person.name);

  async function save(event: FormEvent) {
    event.preventDefault();
    const changed = { ...person, name };
    // The page shows the write at once. Its own event then causes no load.
    setData((people = []) => people.map((one) => (one.uuid === person.uuid ? changed : one)));
    onDone();
    try {
      await savePerson(changed, client.writeHeaders());
    } catch {
      // It may not have been written: show what is stored.
      reload();
    }
  }

  return (
    <form onSubmit={save}>
      <label>
        Name <input value={name} onChange={(event) => setName(event.target.value)} required />
      </label>{" "}
      <button type="submit">Save</button>
    </form>
  );
}
