import { useQuery } from "@tanstack/react-query";
import { create, remove } from "../api.ts";
import { ConfirmButton } from "../components/buttons.tsx";
import { asOptions, type Field } from "../components/fields.tsx";
import { AddForm } from "../components/form.tsx";
import { Fact, RecordCard } from "../components/record.tsx";
import { Table } from "../components/table.tsx";
import { ListView, Part, RecordView } from "../components/view.tsx";
import { money } from "../format.ts";
import * as queries from "../queries.ts";
import type { Category, Item, Manufacturer } from "../records.ts";

const NAME: Field = { name: "name", label: "Name", kind: "line", required: true };

const FIELDS: Field[] = [NAME, { name: "description", label: "Description", kind: "prose" }];

const itemFields = (categories: Category[] = [], manufacturers: Manufacturer[] = []): Field[] => [
  NAME,
  { name: "sku", label: "Article number", kind: "line" },
  { name: "price_cents", label: "Price in €", kind: "money" },
  { name: "stock", label: "In stock", kind: "count" },
  {
    name: "category_uuid",
    label: "Category",
    kind: "select",
    none: "No category",
    options: asOptions(categories),
  },
  {
    name: "manufacturer_uuid",
    label: "Manufacturer",
    kind: "select",
    none: "Unknown",
    options: asOptions(manufacturers),
  },
];

export function Catalogues() {
  return (
    <ListView title="Catalogues" query={useQuery(queries.catalogues)}>
      {(catalogues) => (
        <>
          <AddForm
            title="New catalogue"
            testid="add-catalogue"
            fields={FIELDS}
            add={(values) => create("catalogues", values)}
          />
          <Table
            testid="catalogues"
            caption="Catalogues"
            empty="There are no catalogues yet. Add the first one."
            rows={catalogues}
            columns={[
              { head: "Name", cell: ({ uuid, name }) => <a href={`#/catalogues/${uuid}`}>{name}</a> },
              { head: "Description", cell: ({ description }) => description },
              { head: "Items", kind: "number", cell: ({ items }) => items },
            ]}
          />
        </>
      )}
    </ListView>
  );
}

export function Catalogue({ uuid }: { uuid: string }) {
  const manufacturers = useQuery(queries.manufacturers);
  return (
    <RecordView
      back={{ href: "#/catalogues", label: "Catalogues", noun: "catalogue" }}
      query={useQuery(queries.catalogue(uuid))}
    >
      {(catalogue) => (
        <>
          <RecordCard
            noun="catalogue"
            path="catalogues"
            home="/catalogues"
            title={catalogue.name}
            record={catalogue}
            fields={FIELDS}
            warning="Its categories and items are deleted too."
          >
            <Fact name="description" label="Description">
              {catalogue.description}
            </Fact>
          </RecordCard>
          <Part title="Items">
            <ItemTable items={catalogue.items} />
            <AddForm
              title="New item"
              testid="add-item"
              fields={itemFields(catalogue.categories, manufacturers.data)}
              add={(values) => create("items", { ...values, catalogue_uuid: uuid })}
            />
          </Part>
          <Part title="Categories">
            <DeletableTable
              path="categories"
              head="Category"
              empty="No categories."
              warning="Its items stay, without a category."
              rows={catalogue.categories}
            />
            <AddForm
              title="New category"
              testid="add-category"
              fields={[NAME]}
              add={(values) => create("categories", { ...values, catalogue_uuid: uuid })}
            />
          </Part>
        </>
      )}
    </RecordView>
  );
}

function ItemTable({ items }: { items: Item[] }) {
  return (
    <Table
      testid="items"
      caption="Items of this catalogue"
      empty="This catalogue has no items yet."
      rows={items}
      columns={[
        { head: "Item", cell: ({ uuid, name }) => <a href={`#/items/${uuid}`}>{name}</a> },
        { head: "Number", cell: ({ sku }) => sku },
        { head: "Category", cell: ({ category_name }) => category_name },
        { head: "Stock", kind: "number", cell: ({ stock }) => stock },
        { head: "Price", kind: "number", cell: ({ price_cents }) => money(price_cents) },
      ]}
    />
  );
}

export function ItemView({ uuid }: { uuid: string }) {
  return (
    <RecordView
      back={{ href: "#/catalogues", label: "Catalogues", noun: "item" }}
      query={useQuery(queries.item(uuid))}
    >
      {(item) => <ItemCard item={item} />}
    </RecordView>
  );
}

function ItemCard({ item }: { item: Item }) {
  const catalogue = useQuery(queries.catalogue(item.catalogue_uuid));
  const manufacturers = useQuery(queries.manufacturers);
  return (
    <RecordCard
      noun="item"
      path="items"
      home="/catalogues"
      title={item.name}
      record={item}
      fields={itemFields(catalogue.data?.categories, manufacturers.data)}
    >
      <Fact name="sku" label="Article number">
        {item.sku}
      </Fact>
      <Fact name="price" label="Price">
        {money(item.price_cents)}
      </Fact>
      <Fact name="stock" label="In stock">
        {item.stock}
      </Fact>
      <Fact name="catalogue" label="Catalogue">
        <a href={`#/catalogues/${item.catalogue_uuid}`}>{item.catalogue_name}</a>
      </Fact>
      <Fact name="category" label="Category">
        {item.category_name}
      </Fact>
      <Fact name="manufacturer" label="Manufacturer">
        {item.manufacturer_name}
      </Fact>
    </RecordCard>
  );
}

export function Manufacturers() {
  return (
    <ListView title="Manufacturers" query={useQuery(queries.manufacturers)}>
      {(manufacturers) => (
        <>
          <AddForm
            title="New manufacturer"
            testid="add-manufacturer"
            fields={[NAME]}
            add={(values) => create("manufacturers", values)}
          />
          <DeletableTable
            path="manufacturers"
            head="Manufacturer"
            empty="There are no manufacturers yet. Add the first one."
            warning="Its items stay, without a manufacturer."
            rows={manufacturers}
          />
        </>
      )}
    </ListView>
  );
}

interface DeletableTableProps {
  path: "categories" | "manufacturers";
  head: string;
  empty: string;
  warning: string;
  rows: (Category | Manufacturer)[];
}

/** A table of records with a name, a number of items, and a button that deletes. */
function DeletableTable({ path, head, empty, warning, rows }: DeletableTableProps) {
  return (
    <Table
      testid={path}
      caption={head}
      empty={empty}
      rows={rows}
      columns={[
        { head, cell: ({ name }) => name },
        { head: "Items", kind: "number", cell: ({ items }) => items },
        {
          head: "",
          kind: "actions",
          cell: ({ uuid, name }) => (
            <ConfirmButton
              label={`Delete ${name}`}
              question={`Delete ${name}? ${warning}`}
              run={() => remove(`${path}/${uuid}`)}
            >
              Delete
            </ConfirmButton>
          ),
        },
      ]}
    />
  );
}
