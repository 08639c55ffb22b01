import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { people, person, queryClient, savePerson } from "./queries";

export function EditPerson({ uuid, onDone }: { uuid: string; onDone(): void }) {
  const { data } = useQuery(person(uuid));
  const [name, setName] = useState<string>();
  const { mutate } = useMutation({
    mutationFn: savePerson,
    async onMutate(changed) {
      // The page shows the write at once. Its own event then causes no load.
      await queryClient.cancelQueries(people);
      queryClient.setQueryData(people.queryKey, (all) =>
        all?.map((one) => (one.uuid === uuid ? changed : one)),
      );
      queryClient.setQueryData(person(uuid).queryKey, changed);
    },
    // It may not have been written: show what is stored.
    onError: () => queryClient.invalidateQueries(people),
  });

  function save(event: FormEvent) {
    event.preventDefault();
    if (name !== undefined) mutate({ uuid, name });
    onDone();
  }

  if (!data) return <p>Loading …</p>;
  return (
    <form onSubmit={save}>
      <label>
        Name <input value={name ?? data.name} onChange={(event) => setName(event.target.value)} required />
      </label>{" "}
      <button type="submit">Save</button>
    </form>
  );
}
