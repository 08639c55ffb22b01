import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { create, remove, update, vote } from "../api.ts";
import { ActionButton, ConfirmButton } from "../components/buttons.tsx";
import type { Field } from "../components/fields.tsx";
import { AddForm, Form } from "../components/form.tsx";
import { Table } from "../components/table.tsx";
import { Terminal } from "../components/terminal.tsx";
import { ListView } from "../components/view.tsx";
import * as queries from "../queries.ts";
import type { Link } from "../records.ts";

const FIELDS: Field[] = [
  { name: "title", label: "Title", kind: "line", required: true },
  { name: "url", label: "Address", kind: "url", required: true },
  { name: "note", label: "Note", kind: "prose" },
  { name: "tags", label: "Tags, with commas between them", kind: "words" },
];

export function Links() {
  return (
    <ListView title="Links" query={useQuery(queries.links)}>
      {(links) => (
        <>
          <Terminal />
          <AddForm
            title="New link"
            testid="add-link"
            fields={FIELDS}
            add={(values) => create("links", values)}
          />
          <LinkTable links={links} />
        </>
      )}
    </ListView>
  );
}

function LinkTable({ links }: { links: Link[] }) {
  const [edited, edit] = useState<number>();
  const opener = useRef<HTMLElement>(null);
  const current = links.find(({ id }) => id === edited);
  const close = () => {
    edit(undefined);
    opener.current?.focus();
  };
  return (
    <>
      {current && <Editor key={current.id} link={current} onClose={close} />}
      <Table
        testid="links"
        caption="Links, the newest first"
        empty="There are no links. Add the first one, here or in a terminal."
        rows={links}
        columns={[
          { head: "Link", cell: (link) => <Title {...link} /> },
          { head: "Tags", cell: ({ tags }) => <Tags tags={tags} /> },
          {
            head: "Votes",
            kind: "number",
            cell: ({ id, title, votes }) => (
              <ActionButton label={`${votes} votes for ${title}: add one`} run={() => vote(id)}>
                ▲ {votes}
              </ActionButton>
            ),
          },
          {
            head: "",
            kind: "actions",
            cell: ({ id, title }) => (
              <span className="actions">
                <button
                  type="button"
                  className="quiet small"
                  aria-label={`Edit ${title}`}
                  onClick={({ currentTarget }) => {
                    opener.current = currentTarget;
                    edit(id);
                  }}
                >
                  Edit
                </button>
                <ConfirmButton
                  label={`Delete ${title}`}
                  question={`Delete “${title}”? You cannot undo this.`}
                  run={() => remove(`links/${id}`)}
                >
                  Delete
                </ConfirmButton>
              </span>
            ),
          },
        ]}
      />
    </>
  );
}

function Title({ title, url, note }: Link) {
  return (
    <div className="link">
      <a href={url} target="_blank" rel="noopener noreferrer">
        {title}
      </a>{" "}
      <span className="faint">{URL.canParse(url) ? new URL(url).host : url}</span>
      {note && <p>{note}</p>}
    </div>
  );
}

function Tags({ tags }: { tags: string[] }) {
  return (
    <ul className="tags">
      {[...new Set(tags)].map((tag) => (
        <li key={tag} className="state">
          {tag}
        </li>
      ))}
    </ul>
  );
}

/** The form that changes a link. */
function Editor({ link, onClose }: { link: Link; onClose: () => void }) {
  return (
    <div className="card">
      <h2>Edit {link.title}</h2>
      <Form
        testid="edit-link"
        fields={FIELDS}
        record={link}
        submit="Save"
        save={async (values) => {
          if (Object.keys(values).length > 0) await update(`links/${link.id}`, values);
        }}
        onSaved={onClose}
        onCancel={onClose}
      />
    </div>
  );
}
