import * as domains from "tidings/domains";
import { create, load, remove } from "../api.ts";
import { money } from "../format.ts";
import { h } from "../h.ts";
import type { CatalogueDetail, CatalogueRow, Category, Item, Manufacturer } from "../model.ts";
import type { Scene } from "../router.ts";
import type { Field } from "../ui/controls.ts";
import { attempt, confirmed } from "../ui/dialog.ts";
import { asOptions, recordCard } from "../ui/record.ts";
import { table } from "../ui/table.ts";
import { addBox, section, view } from "../ui/view.ts";

const FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "description", label: "Description", kind: "prose" },
];

const ITEM_FIELDS: Field[] = [
  { name: "name", label: "Name", kind: "line", required: true },
  { name: "sku", label: "Article number", kind: "line" },
  { name: "price_cents", label: "Price in €", kind: "money" },
  { name: "stock", label: "In stock", kind: "count" },
  { name: "category_uuid", label: "Category", kind: "select", none: "No category" },
  { name: "manufacturer_uuid", label: "Manufacturer", kind: "select", none: "Unknown" },
];

/**
 * Returns whether an event concerns a catalogue. `parent` is the catalogue of the record that changed. An event without it,
 * such as one of a manufacturer, may concern any catalogue.
 */
const inCatalogue = (event: domains.CatalogueEvent, uuid: string | undefined) =>
  !uuid || !event.payload.parent || event.payload.parent === uuid;

export function catalogues(scene: Scene): void {
  const list = table<CatalogueRow>({
    testid: "catalogues",
    caption: "Catalogues",
    empty: "There are no catalogues yet. Add the first one.",
    columns: [
      { head: "Name", cell: ({ uuid, name }) => h("a", { href: `#/catalogues/${uuid}` }, name) },
      { head: "Description", cell: ({ description }) => description },
      { head: "Items", kind: "number", cell: ({ items }) => items },
    ],
  });
  const box = addBox({
    title: "New catalogue",
    testid: "add-catalogue",
    fields: FIELDS,
    add: (values) => create("catalogues", values),
  });
  view(scene, {
    title: "Catalogues",
    topics: [domains.catalogue.topics.catalogue],
    load: (signal) => load<CatalogueRow[]>("catalogues", signal),
    content: [box.element, list.element],
    update: list.update,
  });
}

export function catalogue(scene: Scene): void {
  const { uuid } = scene;
  const card = recordCard<CatalogueDetail>({
    noun: "catalogue",
    path: "catalogues",
    home: "#/catalogues",
    title: ({ name }) => name,
    fields: FIELDS,
    shown: [{ name: "description", label: "Description", of: ({ description }) => description }],
    warning: "Its categories and items are deleted too.",
  });
  const items = table<Item>({
    testid: "items",
    caption: "Items of this catalogue",
    empty: "This catalogue has no items yet.",
    columns: [
      { head: "Item", cell: (item) => h("a", { href: `#/items/${item.uuid}` }, item.name) },
      { head: "Number", cell: ({ sku }) => sku },
      { head: "Category", cell: ({ category_name }) => category_name },
      { head: "Stock", kind: "number", cell: ({ stock }) => stock },
      { head: "Price", kind: "number", cell: ({ price_cents }) => money(price_cents) },
    ],
  });
  const categories = deletableTable<Category>(
    "categories",
    "Category",
    "No categories.",
    "Its items stay, without a category.",
  );
  const addItem = addBox({
    title: "New item",
    testid: "add-item",
    fields: ITEM_FIELDS,
    add: (values) => create("items", { ...values, catalogue_uuid: uuid }),
  });
  const addCategory = addBox({
    title: "New category",
    testid: "add-category",
    fields: [{ name: "name", label: "Name", kind: "line", required: true }],
    add: (values) => create("categories", { ...values, catalogue_uuid: uuid }),
  });
  view(scene, {
    back: { href: "#/catalogues", label: "Catalogues", noun: "catalogue" },
    topics: [domains.catalogue.topics.catalogue],
    concerns: (event) => inCatalogue(event, uuid),
    load: (signal) =>
      Promise.all([
        load<CatalogueDetail>(`catalogues/${uuid}`, signal),
        load<Manufacturer[]>("manufacturers", signal),
      ]),
    content: [
      card.element,
      section("Items", items.element, addItem.element),
      section("Categories", categories.element, addCategory.element),
    ],
    update: ([data, manufacturers]) => {
      card.update(data);
      items.update(data.items);
      categories.update(data.categories);
      addItem.offer("category_uuid", asOptions(data.categories));
      addItem.offer("manufacturer_uuid", asOptions(manufacturers));
    },
  });
}

export function item(scene: Scene): void {
  const { uuid } = scene;
  let home: string | undefined;
  const card = recordCard<Item>({
    noun: "item",
    path: "items",
    home: "#/catalogues",
    title: ({ name }) => name,
    fields: ITEM_FIELDS,
    shown: [
      { name: "sku", label: "Article number", of: ({ sku }) => sku },
      { name: "price", label: "Price", of: ({ price_cents }) => money(price_cents) },
      { name: "stock", label: "In stock", of: ({ stock }) => stock },
      {
        name: "catalogue",
        label: "Catalogue",
        of: (of) => h("a", { href: `#/catalogues/${of.catalogue_uuid}` }, of.catalogue_name),
      },
      { name: "category", label: "Category", of: ({ category_name }) => category_name },
      { name: "manufacturer", label: "Manufacturer", of: ({ manufacturer_name }) => manufacturer_name },
    ],
  });
  view(scene, {
    back: { href: "#/catalogues", label: "Catalogues", noun: "item" },
    topics: [domains.catalogue.topics.catalogue],
    concerns: (event) => event.payload.uuid === uuid || inCatalogue(event, home),
    load: async (signal): Promise<[Item, CatalogueDetail, Manufacturer[]]> => {
      const found = await load<Item>(`items/${uuid}`, signal);
      home = found.catalogue_uuid;
      const [holder, manufacturers] = await Promise.all([
        load<CatalogueDetail>(`catalogues/${home}`, signal),
        load<Manufacturer[]>("manufacturers", signal),
      ]);
      return [found, holder, manufacturers];
    },
    content: [card.element],
    update: ([found, holder, manufacturers]) => {
      card.offer("category_uuid", asOptions(holder.categories));
      card.offer("manufacturer_uuid", asOptions(manufacturers));
      card.update(found);
    },
  });
}

export function manufacturers(scene: Scene): void {
  const list = deletableTable<Manufacturer>(
    "manufacturers",
    "Manufacturer",
    "There are no manufacturers yet. Add the first one.",
    "Its items stay, without a manufacturer.",
  );
  const box = addBox({
    title: "New manufacturer",
    testid: "add-manufacturer",
    fields: [{ name: "name", label: "Name", kind: "line", required: true }],
    add: (values) => create("manufacturers", values),
  });
  view(scene, {
    title: "Manufacturers",
    topics: [domains.catalogue.topics.catalogue],
    load: (signal) => load<Manufacturer[]>("manufacturers", signal),
    content: [box.element, list.element],
    update: list.update,
  });
}

/** A table of records with a name, a number of items, and a button that deletes. */
function deletableTable<T extends { uuid: string; name: string; items: number }>(
  path: "categories" | "manufacturers",
  head: string,
  empty: string,
  warning: string,
) {
  const deleteButton = ({ uuid, name }: T) => {
    const label = `Delete ${name}`;
    const button = h(
      "button",
      { type: "button", class: "quiet small danger", "aria-label": label },
      "Delete",
    );
    button.addEventListener("click", async () => {
      if (!(await confirmed(`${label}? ${warning}`, "Delete"))) return;
      await attempt(button, () => remove(`${path}/${uuid}`));
    });
    return button;
  };
  return table<T>({
    testid: path,
    caption: head,
    empty,
    columns: [
      { head, cell: ({ name }) => name },
      { head: "Items", kind: "number", cell: ({ items }) => items },
      { head: "", kind: "actions", cell: deleteButton },
    ],
  });
}
