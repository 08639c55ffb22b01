//! Catalogues, their categories and items, and the manufacturers that all catalogues share.

use rusqlite::{Connection, OptionalExtension, Transaction};
use tidings_shared::domains::catalogue;
use uuid::Uuid;

use crate::{
    events::Events,
    fault::Fault,
    records::{CatalogueDetail, CatalogueRow, Category, Item, Manufacturer},
    table::{Body, Field, Kind, Table, row, rows},
};

const CATALOGUES: Table = Table {
    name: "catalogues",
    noun: "catalogue",
    key: "uuid",
    fields: &[Field { name: "name", kind: Kind::Name }, Field { name: "description", kind: Kind::Prose }],
};

const CATEGORIES: Table = Table {
    name: "categories",
    noun: "category",
    key: "uuid",
    fields: &[
        Field { name: "name", kind: Kind::Name },
        Field { name: "catalogue_uuid", kind: Kind::Parent(&CATALOGUES) },
    ],
};

const MANUFACTURERS: Table = Table {
    name: "manufacturers",
    noun: "manufacturer",
    key: "uuid",
    fields: &[Field { name: "name", kind: Kind::Name }],
};

const ITEMS: Table = Table {
    name: "items",
    noun: "item",
    key: "uuid",
    fields: &[
        Field { name: "name", kind: Kind::Name },
        Field { name: "sku", kind: Kind::Line },
        Field { name: "price_cents", kind: Kind::Count(100_000_000) },
        Field { name: "stock", kind: Kind::Count(1_000_000) },
        Field { name: "catalogue_uuid", kind: Kind::Parent(&CATALOGUES) },
        Field { name: "category_uuid", kind: Kind::Link(&CATEGORIES) },
        Field { name: "manufacturer_uuid", kind: Kind::Link(&MANUFACTURERS) },
    ],
};

/// All catalogues, with how many items each holds.
pub(crate) fn catalogues(db: &Connection) -> Result<Vec<CatalogueRow>, Fault> {
    rows(
        db,
        "SELECT c.*, (SELECT count(*) FROM items i WHERE i.catalogue_uuid = c.uuid) AS items
         FROM catalogues c ORDER BY c.name COLLATE NOCASE, c.uuid",
        [],
    )
}

/// A catalogue with its categories and items.
pub(crate) fn catalogue(db: &Connection, uuid: Uuid) -> Result<CatalogueDetail, Fault> {
    let catalogue = row(db, "catalogue", "SELECT * FROM catalogues WHERE uuid = ?", [uuid])?;
    let categories = rows(db, &category_query("c.catalogue_uuid = ?"), [uuid])?;
    let items = rows(db, &item_query("i.catalogue_uuid = ?"), [uuid])?;
    Ok(CatalogueDetail { catalogue, categories, items })
}

fn category_query(condition: &'static str) -> String {
    format!(
        "SELECT c.uuid, c.name, (SELECT count(*) FROM items i WHERE i.category_uuid = c.uuid) AS items
         FROM categories c WHERE {condition} ORDER BY c.name COLLATE NOCASE, c.uuid"
    )
}

/// All manufacturers, with how many items each makes.
pub(crate) fn manufacturers(db: &Connection) -> Result<Vec<Manufacturer>, Fault> {
    rows(db, &manufacturer_query("true"), [])
}

fn manufacturer_query(condition: &'static str) -> String {
    format!(
        "SELECT m.*, (SELECT count(*) FROM items i WHERE i.manufacturer_uuid = m.uuid) AS items
         FROM manufacturers m WHERE {condition} ORDER BY m.name COLLATE NOCASE, m.uuid"
    )
}

/// An item, with the names of its catalogue, category and manufacturer.
pub(crate) fn item(db: &Connection, uuid: Uuid) -> Result<Item, Fault> {
    row(db, "item", &item_query("i.uuid = ?"), [uuid])
}

fn item_query(condition: &'static str) -> String {
    format!(
        "SELECT i.*, k.name AS catalogue_name, c.name AS category_name, m.name AS manufacturer_name
         FROM items i JOIN catalogues k ON k.uuid = i.catalogue_uuid
                      LEFT JOIN categories c ON c.uuid = i.category_uuid
                      LEFT JOIN manufacturers m ON m.uuid = i.manufacturer_uuid
         WHERE {condition} ORDER BY i.name COLLATE NOCASE, i.uuid"
    )
}

pub(crate) fn create_catalogue(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<CatalogueDetail, Fault> {
    let uuid = CATALOGUES.insert(tx, body)?;
    events.add(&changed(catalogue::Kind::Catalogue, uuid, Some(uuid)))?;
    catalogue(tx, uuid)
}

pub(crate) fn update_catalogue(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<CatalogueDetail, Fault> {
    CATALOGUES.update(tx, uuid, body)?;
    events.add(&changed(catalogue::Kind::Catalogue, uuid, Some(uuid)))?;
    catalogue(tx, uuid)
}

/// Deletes a catalogue with its categories and items.
pub(crate) fn delete_catalogue(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    CATALOGUES.delete(tx, uuid)?;
    events.add(&changed(catalogue::Kind::Catalogue, uuid, Some(uuid)))?;
    Ok(())
}

pub(crate) fn create_category(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<Category, Fault> {
    let uuid = CATEGORIES.insert(tx, body)?;
    events.add(&changed(catalogue::Kind::Category, uuid, parent_of(tx, &CATEGORIES, uuid)?))?;
    row(tx, "category", &category_query("c.uuid = ?"), [uuid])
}

/// Deletes a category. Its items stay, without a category.
pub(crate) fn delete_category(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let parent = parent_of(tx, &CATEGORIES, uuid)?;
    CATEGORIES.delete(tx, uuid)?;
    events.add(&changed(catalogue::Kind::Category, uuid, parent))?;
    Ok(())
}

pub(crate) fn create_manufacturer(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<Manufacturer, Fault> {
    let uuid = MANUFACTURERS.insert(tx, body)?;
    events.add(&changed(catalogue::Kind::Manufacturer, uuid, None))?;
    row(tx, "manufacturer", &manufacturer_query("m.uuid = ?"), [uuid])
}

/// Deletes a manufacturer. Its items stay, without a manufacturer.
pub(crate) fn delete_manufacturer(
    tx: &Transaction<'_>,
    uuid: Uuid,
    events: &Events<'_>,
) -> Result<(), Fault> {
    MANUFACTURERS.delete(tx, uuid)?;
    events.add(&changed(catalogue::Kind::Manufacturer, uuid, None))?;
    Ok(())
}

pub(crate) fn create_item(tx: &Transaction<'_>, body: &Body, events: &Events<'_>) -> Result<Item, Fault> {
    let uuid = ITEMS.insert(tx, body)?;
    check_category(tx, uuid)?;
    events.add(&changed(catalogue::Kind::Item, uuid, parent_of(tx, &ITEMS, uuid)?))?;
    item(tx, uuid)
}

/// Updates an item. An item that moves to another catalogue loses its category, unless the body names one of the new
/// catalogue. Both catalogues get the event.
pub(crate) fn update_item(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<Item, Fault> {
    let before = parent_of(tx, &ITEMS, uuid)?;
    ITEMS.update(tx, uuid, body)?;
    let after = parent_of(tx, &ITEMS, uuid)?;
    if before != after && !body.contains_key("category_uuid") {
        tx.execute("UPDATE items SET category_uuid = NULL WHERE uuid = ?", [uuid])?;
    }
    check_category(tx, uuid)?;
    events.add(&changed(catalogue::Kind::Item, uuid, after))?;
    if before != after {
        events.add(&changed(catalogue::Kind::Item, uuid, before))?;
    }
    item(tx, uuid)
}

pub(crate) fn delete_item(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let parent = parent_of(tx, &ITEMS, uuid)?;
    ITEMS.delete(tx, uuid)?;
    events.add(&changed(catalogue::Kind::Item, uuid, parent))?;
    Ok(())
}

fn changed(kind: catalogue::Kind, uuid: Uuid, parent: Option<Uuid>) -> catalogue::Event {
    catalogue::Event::DataChanged(catalogue::Change { kind, uuid: Some(uuid), parent })
}

/// The catalogue that holds an item or a category.
fn parent_of(db: &Connection, table: &Table, uuid: Uuid) -> Result<Option<Uuid>, Fault> {
    let sql = format!("SELECT catalogue_uuid FROM {} WHERE uuid = ?", table.name);
    let parent: Option<Uuid> = db.query_row(&sql, [uuid], |row| row.get(0)).optional()?;
    parent.ok_or_else(|| Fault::missing(table.noun)).map(Some)
}

fn check_category(db: &Connection, item: Uuid) -> Result<(), Fault> {
    let strays: bool = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM items i JOIN categories c ON c.uuid = i.category_uuid
                        WHERE i.uuid = ? AND c.catalogue_uuid <> i.catalogue_uuid)",
        [item],
        |row| row.get(0),
    )?;
    if strays {
        return Err(Fault::field(
            "category_uuid",
            "the category is of another catalogue: choose one of the item's own",
        ));
    }
    Ok(())
}
