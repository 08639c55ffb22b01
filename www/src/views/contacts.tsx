import { useQuery } from "@tanstack/react-query";
import { create } from "../api.ts";
import type { Field } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Fact, RecordCard } from "../components/record.tsx";
import { Table } from "../components/table.tsx";
import { ListView, RecordView } from "../components/view.tsx";
import * as queries from "../queries.ts";
import { Interactions } from "./interactions.tsx";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "company", label: "Company", kind: "line" },
  { name: "email", label: "E-mail", kind: "email" },
  { name: "phone", label: "Telephone", kind: "tel" },
];

export function Contacts() {
  return (
    <ListView title="Contacts" query={useQuery(queries.contacts)}>
      {(contacts) => (
        <>
          <AddForm
            title="New contact"
            testid="add-contact"
            fields={FIELDS}
            add={(values) => create("contacts", values)}
          />
          <Table
            testid="contacts"
            caption="Contacts"
            empty="There are no contacts yet. Add the first one."
            rows={contacts}
            columns={[
              { head: "Name", cell: ({ uuid, name }) => <a href={`#/contacts/${uuid}`}>{name}</a> },
              { head: "Company", cell: ({ company }) => company },
              { head: "E-mail", cell: ({ email }) => email },
            ]}
          />
        </>
      )}
    </ListView>
  );
}

export function ContactView({ uuid }: { uuid: string }) {
  return (
    <RecordView
      back={{ href: "#/contacts", label: "Contacts", noun: "contact" }}
      query={useQuery(queries.contact(uuid))}
    >
      {(contact) => (
        <>
          <RecordCard
            noun="contact"
            path="contacts"
            home="/contacts"
            title={contact.name}
            record={contact}
            fields={FIELDS}
            warning="The interactions about this contact are deleted too."
          >
            <Fact name="company" label="Company">
              {contact.company}
            </Fact>
            <Fact name="email" label="E-mail">
              {contact.email}
            </Fact>
            <Fact name="phone" label="Telephone">
              {contact.phone}
            </Fact>
          </RecordCard>
          <Interactions contact={uuid} />
        </>
      )}
    </RecordView>
  );
}
