import { useMutation } from "@tanstack/react-query";
import { useEffect, useId, useRef, useState } from "react";
import { Problem } from "../problem.ts";
import { Control, type Field, fromInput, type Input, toInput } from "./fields.tsx";

export type Values = Record<string, unknown>;

/** What the user typed into a field, and the stored value that it is to replace. */
interface Edit {
  input: Input;
  base: unknown;
}

interface FormProps {
  testid: string;
  fields: Field[];
  /** The stored record. Newer data may arrive at any time. */
  record: object;
  submit: string;
  /** Called with the fields that the user changed, or with all fields of a new record. */
  save: (values: Values) => Promise<unknown>;
  isNew?: boolean;
  onSaved?: () => void;
  onCancel?: () => void;
}

/**
 * A form that keeps its input when newer data arrives. A field that the user did not touch shows the newer value. For the
 * others, the form offers it.
 */
export function Form({ testid, fields, record, submit, save, isNew, onSaved, onCancel }: FormProps) {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const [edits, setEdits] = useState<Record<string, Edit>>({});
  const stored = record as Values;
  const isOpened = !isNew;
  useEffect(() => {
    if (isOpened) form.current?.querySelector<HTMLElement>("input, textarea, select")?.focus();
  }, [isOpened]);

  const inputIn = ({ name, kind }: Field) => edits[name]?.input ?? toInput(kind, stored[name]);
  const changed = fields.filter(
    (field) =>
      isNew || (edits[field.name] && !same(fromInput(field.kind, inputIn(field)), stored[field.name])),
  );
  const disputed = isNew ? [] : changed.filter(({ name }) => !same(edits[name]?.base, stored[name]));

  const saving = useMutation({
    mutationFn: save,
    meta: { showsError: true },
    onSuccess: () => {
      setEdits({});
      onSaved?.();
    },
    onError: (error) => {
      if (error instanceof Problem && error.field) named(form.current, error.field)?.focus();
    },
  });
  const refused = saving.error instanceof Problem ? saving.error.field : undefined;

  return (
    <form
      ref={form}
      className="fields"
      data-testid={testid}
      onSubmit={(event) => {
        event.preventDefault();
        if (saving.isPending) return;
        saving.mutate(
          Object.fromEntries(changed.map((field) => [field.name, fromInput(field.kind, inputIn(field))])),
        );
      }}
    >
      {disputed.length > 0 && (
        <Newer
          fields={disputed}
          onTake={() => setEdits(without(edits, disputed))}
          onKeep={() => setEdits({ ...edits, ...rebased(edits, disputed, stored) })}
        />
      )}
      {fields.map((field) => (
        <Control
          key={field.name}
          field={field}
          id={`${id}-${field.name}`}
          input={inputIn(field)}
          isRefused={refused === field.name}
          onInput={(input) => {
            const base = edits[field.name] ? edits[field.name]?.base : stored[field.name];
            setEdits({ ...edits, [field.name]: { input, base } });
          }}
        />
      ))}
      {saving.error && (
        <p className="fault" role="alert" data-testid="fault">
          {saving.error.message}
        </p>
      )}
      <div className="actions">
        <button type="submit" aria-disabled={saving.isPending} data-testid={`${testid}-submit`}>
          {submit}
        </button>
        {onCancel && (
          <button type="button" className="quiet" onClick={onCancel}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

/** Offers newer values of fields that the user has changed. */
function Newer({ fields, onTake, onKeep }: { fields: Field[]; onTake: () => void; onKeep: () => void }) {
  const names = fields.map(({ label }) => label).join(", ");
  return (
    <div className="notice" role="status" data-testid="newer">
      <p>Somebody changed this while you were editing it: {names}. What you typed is still here.</p>
      <div className="actions">
        <button type="button" className="small" onClick={onTake} data-testid="newer-take">
          Use the newer data
        </button>
        <button type="button" className="quiet small" onClick={onKeep} data-testid="newer-keep">
          Keep mine
        </button>
      </div>
    </div>
  );
}

interface AddFormProps {
  title: string;
  testid: string;
  fields: Field[];
  /** The values of a new record, where they are not empty. */
  initial?: object;
  submit?: string;
  add: (values: Values) => Promise<unknown>;
}

const NOTHING = {};

/** A form for a new record, folded away until it is needed. */
export function AddForm({ title, testid, fields, initial = NOTHING, submit = "Add", add }: AddFormProps) {
  return (
    <details className="card add">
      <summary data-testid={`${testid}-open`}>{title}</summary>
      <Form testid={testid} fields={fields} record={initial} submit={submit} save={add} isNew />
    </details>
  );
}

/** Values of the API are equal if their JSON is. `null` and nothing are the same. */
const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

const named = (form: HTMLFormElement | null, name: string) =>
  form?.elements.namedItem(name) as HTMLElement | null | undefined;

function without(edits: Record<string, Edit>, fields: Field[]): Record<string, Edit> {
  const names = new Set(fields.map(({ name }) => name));
  return Object.fromEntries(Object.entries(edits).filter(([name]) => !names.has(name)));
}

function rebased(edits: Record<string, Edit>, fields: Field[], stored: Values): Record<string, Edit> {
  return Object.fromEntries(
    fields.flatMap(({ name }) => {
      const edit = edits[name];
      return edit ? [[name, { input: edit.input, base: stored[name] }]] : [];
    }),
  );
}
