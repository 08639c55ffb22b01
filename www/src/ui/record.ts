import { remove, update as save } from "../api.ts";
import { type Child, flash, h } from "../h.ts";
import type { Field, Option } from "./controls.ts";
import { confirmed, toast } from "./dialog.ts";
import { Form } from "./form.ts";
import { facts } from "./table.ts";

interface RecordOptions<T> {
  /** The word for such a record. */
  noun: string;
  /** The API's path of the kind, such as `people`. */
  path: string;
  /** The address of the view after a delete. */
  home: string;
  title: (record: T) => string;
  fields: Field[];
  shown: { name: string; label: string; of: (record: T) => Child }[];
  /** The values of the form, if they are not the record itself. */
  editable?: (record: T) => object;
  /** Shown before a delete. */
  warning?: string;
  actions?: HTMLElement;
}

/** The card of a record: its values, and the form that changes them. */
export function recordCard<T extends { uuid: string }>(options: RecordOptions<T>) {
  const { noun, path, home, title, fields, shown, editable = (record: T) => record } = options;
  let current: T | undefined;
  const heading = h("h1", { "data-testid": "title" });
  const list = facts(shown);

  const editButton = h("button", { type: "button", "data-testid": "edit", onclick: () => open() }, "Edit");
  const deleteButton = h(
    "button",
    { type: "button", class: "quiet danger", "data-testid": "delete", onclick: () => void drop() },
    "Delete",
  );
  const form = new Form({
    testid: "edit-form",
    fields,
    submit: "Save",
    save: async (values) => {
      if (!current) return;
      if (Object.keys(values).length > 0) await save(`${path}/${current.uuid}`, values);
      close();
    },
    cancel: () => close(),
  });
  form.element.hidden = true;

  const open = (): void => {
    if (!current) return;
    form.fill(editable(current));
    form.element.hidden = false;
    editButton.hidden = true;
    form.focus();
  };
  const close = (): void => {
    form.element.hidden = true;
    editButton.hidden = false;
    editButton.focus();
  };
  const drop = async (): Promise<void> => {
    if (!current) return;
    const { uuid } = current;
    const question = `Delete the ${noun} “${title(current)}”? ${options.warning ?? "You cannot undo this."}`;
    if (!(await confirmed(question, "Delete"))) return;
    try {
      await remove(`${path}/${uuid}`);
      toast(`The ${noun} was deleted.`);
      location.hash = home;
    } catch (error) {
      toast((error as Error).message, "fault");
    }
  };

  const element = h(
    "section",
    { class: "card record" },
    h("header", {}, heading, h("div", { class: "actions" }, options.actions, editButton, deleteButton)),
    list.element,
    form.element,
  );

  return {
    element,
    offer: (name: string, offered: Option[]) => form.offer(name, offered),
    update(record: T): void {
      const name = title(record);
      if (current && heading.textContent !== name) flash(heading);
      heading.textContent = name;
      document.title = `${name} · Tidings demo`;
      list.update(record);
      current = record;
      if (!form.element.hidden) form.merge(editable(record));
    },
  };
}

/** The options of a select, one for each record. */
export const asOptions = (records: { uuid: string; name: string }[]): Option[] =>
  records.map(({ uuid, name }) => ({ value: uuid, label: name }));
