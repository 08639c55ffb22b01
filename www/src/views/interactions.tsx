import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { create, remove, update } from "../api.ts";
import { ConfirmButton } from "../components/buttons.tsx";
import { asOptions, type Field, type Option } from "../components/fields.tsx";
import { AddForm, Form } from "../components/form.tsx";
import { Table } from "../components/table.tsx";
import { Part } from "../components/view.tsx";
import { moment } from "../format.ts";
import * as queries from "../queries.ts";
import type { Contact, Interaction, InteractionKind } from "../records.ts";

const KINDS: InteractionKind[] = ["call", "email", "meeting", "note"];

/** The fields of an interaction with one contact. Every other contact may have taken part. */
const fieldsOf = (subject: string, contacts: Contact[]): Field[] => [
  { name: "kind", label: "Kind", kind: "select", required: true, options: KINDS.map(asOption) },
  { name: "summary", label: "What was said", kind: "prose", required: true },
  { name: "happened_at", label: "When", kind: "moment" },
  {
    name: "parties",
    label: "Who else took part",
    kind: "many",
    options: asOptions(contacts.filter(({ uuid }) => uuid !== subject)),
  },
];

const asOption = (word: string): Option => ({ value: word, label: word });

const title = ({ kind, happened_at }: Interaction) => `the ${kind} of ${moment(happened_at)}`;

/** The interactions in which a contact took part. */
export function Interactions({ contact }: { contact: string }) {
  const interactions = useQuery(queries.interactions(contact));
  const contacts = useQuery(queries.contacts);
  const [edited, edit] = useState<string>();
  const opener = useRef<HTMLElement>(null);
  const current = interactions.data?.find(({ uuid }) => uuid === edited);
  const close = () => {
    edit(undefined);
    opener.current?.focus();
  };
  return (
    <Part title="Interactions">
      <AddForm
        title="New interaction"
        testid="add-interaction"
        fields={fieldsOf(contact, contacts.data ?? [])}
        initial={NEW}
        add={(values) => create("interactions", { ...values, subject_uuid: contact })}
      />
      {current && (
        <Editor key={current.uuid} interaction={current} contacts={contacts.data ?? []} onClose={close} />
      )}
      <Table
        testid="interactions"
        caption="Interactions with this contact, the newest first"
        empty={interactions.data ? "No interactions yet." : "Loading …"}
        rows={interactions.data ?? []}
        columns={[
          { head: "When", cell: ({ happened_at }) => <time>{moment(happened_at)}</time> },
          { head: "Kind", cell: ({ kind }) => <span className="state">{kind}</span> },
          { head: "What was said", cell: ({ summary }) => summary },
          { head: "Who", cell: (interaction) => <Involved {...interaction} /> },
          {
            head: "",
            kind: "actions",
            cell: (interaction) => (
              <span className="actions">
                <button
                  type="button"
                  className="quiet small"
                  aria-label={`Edit ${title(interaction)}`}
                  onClick={({ currentTarget }) => {
                    opener.current = currentTarget;
                    edit(interaction.uuid);
                  }}
                >
                  Edit
                </button>
                <ConfirmButton
                  label={`Delete ${title(interaction)}`}
                  question={`Delete ${title(interaction)}?`}
                  run={() => remove(`interactions/${interaction.uuid}`)}
                >
                  Delete
                </ConfirmButton>
              </span>
            ),
          },
        ]}
      />
    </Part>
  );
}

const NEW = { kind: "call" };

interface EditorProps {
  interaction: Interaction;
  contacts: Contact[];
  onClose: () => void;
}

/** The form that changes an interaction. */
function Editor({ interaction, contacts, onClose }: EditorProps) {
  return (
    <div className="card">
      <h3>Edit {title(interaction)}</h3>
      <Form
        testid="edit-interaction"
        fields={fieldsOf(interaction.subject_uuid, contacts)}
        record={{ ...interaction, parties: interaction.parties.map(({ uuid }) => uuid).sort() }}
        submit="Save"
        save={async (values) => {
          if (Object.keys(values).length > 0) await update(`interactions/${interaction.uuid}`, values);
        }}
        onSaved={onClose}
        onCancel={onClose}
      />
    </div>
  );
}

function Involved({ subject_uuid, subject_name, parties }: Interaction) {
  const others = parties.filter(({ uuid }) => uuid !== subject_uuid);
  return (
    <ul className="names">
      {[{ uuid: subject_uuid, name: subject_name }, ...others].map(({ uuid, name }) => (
        <li key={uuid}>
          <a href={`#/contacts/${uuid}`}>{name}</a>
        </li>
      ))}
    </ul>
  );
}
