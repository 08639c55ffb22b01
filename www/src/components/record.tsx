import { type ReactNode, useEffect, useRef, useState } from "react";
import { useHashLocation } from "wouter/use-hash-location";
import { remove, update } from "../api.ts";
import { toast } from "../toasts.ts";
import { useFlash } from "../use-flash.ts";
import { useTitle } from "../use-title.ts";
import { ConfirmButton } from "./buttons.tsx";
import type { Field } from "./fields.tsx";
import { Form } from "./form.tsx";

interface RecordCardProps {
  /** The word for such a record. */
  noun: string;
  /** The API's path of the kind, such as `people`. */
  path: string;
  /** The address of the view after a delete. */
  home: string;
  title: string;
  record: { uuid: string };
  fields: Field[];
  /** What a delete does besides. */
  warning?: string;
  actions?: ReactNode;
  /** The values: `Fact`s. */
  children: ReactNode;
}

/** The card of a record: its values, and the form that changes them. */
export function RecordCard(props: RecordCardProps) {
  const { noun, path, home, title, record, fields, warning = "You cannot undo this.", actions } = props;
  const [, navigate] = useHashLocation();
  const [isEditing, edit] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  useEffect(() => {
    if (wasEditing.current && !isEditing) editButton.current?.focus();
    wasEditing.current = isEditing;
  }, [isEditing]);
  useTitle(title);
  return (
    <section className="card record">
      <header>
        <h1 ref={useFlash<HTMLHeadingElement>(title)} data-testid="title">
          {title}
        </h1>
        <div className="actions">
          {actions}
          {!isEditing && (
            <button ref={editButton} type="button" data-testid="edit" onClick={() => edit(true)}>
              Edit
            </button>
          )}
          <ConfirmButton
            className="quiet danger"
            testid="delete"
            question={`Delete the ${noun} “${title}”? ${warning}`}
            run={async () => {
              await remove(`${path}/${record.uuid}`);
              toast(`The ${noun} was deleted.`);
              navigate(home);
            }}
          >
            Delete
          </ConfirmButton>
        </div>
      </header>
      <dl className="facts">{props.children}</dl>
      {isEditing && (
        <Form
          testid="edit-form"
          fields={fields}
          record={record}
          submit="Save"
          save={async (values) => {
            if (Object.keys(values).length > 0) await update(`${path}/${record.uuid}`, values);
          }}
          onSaved={() => edit(false)}
          onCancel={() => edit(false)}
        />
      )}
    </section>
  );
}

/** A name and a value. The value lights up when it changes. */
export function Fact({ name, label, children }: { name: string; label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd ref={useFlash<HTMLElement>()} data-testid={`value-${name}`}>
        {children === "" || children === null ? <span className="faint">—</span> : children}
      </dd>
    </div>
  );
}
