//! Links. Their writes add no events: the bridge publishes each committed change of the table. Any program may write.

use rusqlite::{Connection, Transaction, types::Value as Cell};

use crate::{
    events::Events,
    fault::Fault,
    records::{Database, Link},
    table::{Body, Field, Kind, MAX_ROWS, Table, row, rows},
};

/// The most votes: JavaScript has no larger whole numbers.
const MAX_VOTES: i64 = (1 << 53) - 1;

const LINKS: Table = Table {
    name: "links",
    noun: "link",
    key: "id",
    fields: &[
        Field { name: "title", kind: Kind::Name },
        Field { name: "url", kind: Kind::Address },
        Field { name: "note", kind: Kind::Prose },
        Field { name: "tags", kind: Kind::Words },
        Field { name: "votes", kind: Kind::Count(MAX_VOTES) },
    ],
};

/// The newest links. Other programs may write more of them than this demo does.
pub(crate) fn links(db: &Connection) -> Result<Vec<Link>, Fault> {
    rows(db, "SELECT * FROM links ORDER BY id DESC LIMIT ?", [MAX_ROWS])
}

fn link(db: &Connection, id: i64) -> Result<Link, Fault> {
    row(db, "link", "SELECT * FROM links WHERE id = ?", [id])
}

pub(crate) fn create_link(tx: &Transaction<'_>, body: &Body, _: &Events<'_>) -> Result<Link, Fault> {
    LINKS.insert_as(tx, Cell::Null, body)?;
    link(tx, tx.last_insert_rowid())
}

pub(crate) fn update_link(tx: &Transaction<'_>, id: i64, body: &Body, _: &Events<'_>) -> Result<Link, Fault> {
    LINKS.update(tx, id, body)?;
    link(tx, id)
}

pub(crate) fn delete_link(tx: &Transaction<'_>, id: i64, _: &Events<'_>) -> Result<(), Fault> {
    LINKS.delete(tx, id)
}

/// Adds a vote. The body is empty.
pub(crate) fn vote(tx: &Transaction<'_>, id: i64, _: &Body, _: &Events<'_>) -> Result<Link, Fault> {
    tx.execute("UPDATE links SET votes = min(votes + 1, ?) WHERE id = ?", [MAX_VOTES, id])?;
    link(tx, id)
}

/// Tells where the data is, so that other programs can write to it.
pub(crate) fn database(db: &Connection) -> Result<Database, Fault> {
    let file = db.path().ok_or_else(Fault::internal)?.to_owned();
    Ok(Database { file })
}
