import { crm, store } from "tidings/domains";
import { create, load, remove, update } from "../api.ts";
import { moment } from "../format.ts";
import { fill, h } from "../h.ts";
import type { Contact, Interaction } from "../model.ts";
import type { Scene } from "../router.ts";
import type { Field, Option } from "../ui/controls.ts";
import { attempt, confirmed } from "../ui/dialog.ts";
import { Form } from "../ui/form.ts";
import { asOptions, recordCard } from "../ui/record.ts";
import { table } from "../ui/table.ts";
import { addBox, section, view } from "../ui/view.ts";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "company", label: "Company", kind: "line" },
  { name: "email", label: "E-mail", kind: "email" },
  { name: "phone", label: "Telephone", kind: "tel" },
];

const INTERACTION_FIELDS: Field[] = [
  { name: "kind", label: "Kind", kind: "select", required: true, initial: "call" },
  { name: "summary", label: "What was said", kind: "prose", required: true },
  { name: "happened_at", label: "When", kind: "moment" },
  { name: "parties", label: "Who else took part", kind: "many", initial: [] },
];

const KINDS: Option[] = ["call", "email", "meeting", "note"].map((kind) => ({ value: kind, label: kind }));

export function contacts(scene: Scene): void {
  const list = table<Contact>({
    testid: "contacts",
    caption: "Contacts",
    empty: "There are no contacts yet. Add the first one.",
    columns: [
      { head: "Name", cell: ({ uuid, name }) => h("a", { href: `#/contacts/${uuid}` }, name) },
      { head: "Company", cell: ({ company }) => company },
      { head: "E-mail", cell: ({ email }) => email },
    ],
  });
  const box = addBox({
    title: "New contact",
    testid: "add-contact",
    fields: FIELDS,
    add: (values) => create("contacts", values),
  });
  view(scene, {
    title: "Contacts",
    topics: [store.topics.schema("contacts")],
    load: (signal) => load<Contact[]>("contacts", signal),
    content: [box.element, list.element],
    update: list.update,
  });
}

export function contact(scene: Scene): void {
  const { uuid } = scene;
  let others: Option[] = [];
  const card = recordCard<Contact>({
    noun: "contact",
    path: "contacts",
    home: "#/contacts",
    title: ({ name }) => name,
    fields: FIELDS,
    shown: [
      { name: "company", label: "Company", of: ({ company }) => company },
      { name: "email", label: "E-mail", of: ({ email }) => email },
      { name: "phone", label: "Telephone", of: ({ phone }) => phone },
    ],
    warning: "The interactions about this contact are deleted too.",
  });
  const editor = interactionEditor();
  const list = table<Interaction>({
    testid: "interactions",
    caption: "Interactions with this contact, the newest first",
    empty: "No interactions yet.",
    columns: [
      { head: "When", cell: ({ happened_at }) => h("time", {}, moment(happened_at)) },
      { head: "Kind", cell: ({ kind }) => h("span", { class: "state" }, kind) },
      { head: "What was said", cell: ({ summary }) => summary },
      {
        head: "Who",
        cell: ({ subject_uuid, subject_name, parties }) => involved(subject_uuid, subject_name, parties),
      },
      {
        head: "",
        kind: "actions",
        cell: (interaction) => {
          const about = `the ${interaction.kind} of ${moment(interaction.happened_at)}`;
          const edit = h(
            "button",
            { type: "button", class: "quiet small", "aria-label": `Edit ${about}` },
            "Edit",
          );
          edit.addEventListener("click", () => editor.open(interaction));
          const drop = h(
            "button",
            { type: "button", class: "quiet small danger", "aria-label": `Delete ${about}` },
            "Delete",
          );
          drop.addEventListener("click", async () => {
            if (!(await confirmed(`Delete ${about}?`, "Delete"))) return;
            await attempt(drop, () => remove(`interactions/${interaction.uuid}`));
          });
          return h("span", { class: "actions" }, edit, drop);
        },
      },
    ],
  });
  const box = addBox({
    title: "New interaction",
    testid: "add-interaction",
    fields: INTERACTION_FIELDS,
    add: (values) => create("interactions", { ...values, subject_uuid: uuid }),
  });
  box.offer("kind", KINDS);
  view(scene, {
    back: { href: "#/contacts", label: "Contacts", noun: "contact" },
    // An event on a contact's topic does not say who else took part. Only the API tells that.
    topics: [crm.topics.interactions(uuid), store.topics.schema("contacts")],
    load: (signal) =>
      Promise.all([
        load<Contact>(`contacts/${uuid}`, signal),
        load<Interaction[]>(`contacts/${uuid}/interactions`, signal),
        load<Contact[]>("contacts", signal),
      ]),
    content: [card.element, section("Interactions", box.element, editor.element, list.element)],
    update: ([data, interactions, all]) => {
      others = asOptions(all.filter((other) => other.uuid !== uuid));
      card.update(data);
      list.update(interactions);
      box.offer("parties", others);
      editor.update(interactions, asOptions(all));
    },
  });
}

function involved(subject: string, name: string, parties: Interaction["parties"]): HTMLElement {
  const names = [{ uuid: subject, name }, ...parties.filter((party) => party.uuid !== subject)];
  return h(
    "ul",
    { class: "names" },
    ...names.map((who) => h("li", {}, h("a", { href: `#/contacts/${who.uuid}` }, who.name))),
  );
}

/** The form that changes one interaction at a time. */
function interactionEditor() {
  let current: Interaction | undefined;
  let everybody: Option[] = [];
  let lastFocused: HTMLElement | null = null;
  const heading = h("h3", {});
  const form = new Form({
    testid: "edit-interaction",
    fields: INTERACTION_FIELDS,
    submit: "Save",
    save: async (values) => {
      if (current && Object.keys(values).length > 0) await update(`interactions/${current.uuid}`, values);
      close();
    },
    cancel: () => close(),
  });
  form.offer("kind", KINDS);
  const element = h("div", { class: "card", hidden: true }, heading, form.element);
  const close = (): void => {
    current = undefined;
    element.hidden = true;
    if (lastFocused?.isConnected) lastFocused.focus();
  };
  const editable = (interaction: Interaction) => ({
    ...interaction,
    parties: interaction.parties.map((party) => party.uuid).sort(),
  });
  const offerOthers = (subject: string) =>
    form.offer(
      "parties",
      everybody.filter(({ value }) => value !== subject),
    );
  return {
    element,
    open(interaction: Interaction): void {
      lastFocused = document.activeElement as HTMLElement | null;
      current = interaction;
      fill(heading, `Edit the ${interaction.kind} of ${moment(interaction.happened_at)}`);
      offerOthers(interaction.subject_uuid);
      form.fill(editable(interaction));
      element.hidden = false;
      form.focus();
    },
    update(interactions: Interaction[], contacts: Option[]): void {
      everybody = contacts;
      if (!current) return;
      const { uuid, subject_uuid } = current;
      const newer = interactions.find((interaction) => interaction.uuid === uuid);
      offerOthers(subject_uuid);
      if (newer) form.merge(editable(newer));
      else close();
    },
  };
}
