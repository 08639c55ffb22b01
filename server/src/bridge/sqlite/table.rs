//! An application's table, as SQLite describes it: its key, its columns, and everything that must be unique.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use super::index;
use crate::{
    outbox::{sqlite::file::fault, store::StoreError},
    sqlite_table::default_value,
};

/// A table that the bridge can tell the changes of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// The name as the database has it.
    pub(super) name: String,
    /// All columns, the generated ones too.
    pub(super) columns: Vec<Column>,
    /// The primary key.
    pub(super) key: Vec<KeyColumn>,
    /// A name of the rowid, if the table has one that is not the key and that a statement can name.
    pub(super) rowid: Option<&'static str>,
    /// What must be unique: a `REPLACE` removes rows because of it.
    pub(super) uniques: Vec<Unique>,
    /// A text that changes if the table is another one, or has other columns.
    pub(super) shape: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The SQL of the value that `REPLACE` takes for a NULL, because the column may have none.
    pub(super) if_null: Option<String>,
}

/// How a column's values look in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As they are stored.
    Plain,
    /// Declared `BOOLEAN` or `BOOL`: 0 and 1 are false and true.
    Boolean,
    /// Declared `JSON` or `JSONB`: a text is JSON.
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) holds: Holds,
    /// Whether two keys are equal only if they have the same bytes.
    pub(super) is_binary: bool,
}

/// The values of a key column that no other value of the column looks like, when both are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Texts,
    Blobs,
    /// SQLite makes a number of each text that looks like one, so texts are told, too.
    Numbers,
}

/// An index that refuses two equal rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unique {
    pub(super) terms: Vec<Term>,
    /// The condition of rows that are in the index.
    pub(super) filter: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) what: What,
    pub(super) collation: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Column {
        name: String,
        /// Whether a statement can't set it: it follows from other columns.
        is_generated: bool,
    },
    Expression(String),
}

/// Why the changes of a table can't be told.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database has no table with this name.
    Missing(String),
    /// SQLite can't tell the changes of such a table. The text says why, and the remedy.
    Refused(String),
    /// The file or its folder can't be written.
    ReadOnly,
    Database(rusqlite::Error),
}

impl Fault {
    /// Returns the reason, if the file can't tell its changes at all.
    pub(super) fn refusal(&self, path: &Path) -> Option<String> {
        let file = path.display();
        match self {
            Self::Refused(why) => Some(format!("sqlite:{file}: {why}")),
            Self::ReadOnly => Some(format!(
                "sqlite:{file}: this user may not write the file or its folder, so it can get no triggers: give the right, or \
                 start the bridge where the file is written"
            )),
            Self::Database(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly)) => {
                Self::ReadOnly.refusal(path)
            }
            Self::Missing(_) | Self::Database(_) => None,
        }
    }

    pub(super) fn to_store_error(&self, file: &Path) -> StoreError {
        match self {
            Self::Missing(table) => StoreError::away(format!(
                "sqlite:{} has no table {table}: let the application make its tables first",
                file.display()
            )),
            Self::Database(error) => fault(file, error),
            Self::Refused(_) | Self::ReadOnly => StoreError::away(self.refusal(file).unwrap_or_default()),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

fn refused(name: &str, why: &str) -> Fault {
    Fault::Refused(format!("the table {name} {why}"))
}

/// What `PRAGMA table_xinfo` says of a column.
struct Info {
    name: String,
    declared: String,
    /// The place in the primary key, from 1.
    key: i64,
    is_generated: bool,
    if_null: Option<String>,
}

impl Table {
    /// Describes the table with this name, in any case.
    ///
    /// # Errors
    /// There is none, or it is no table that has triggers and a key.
    pub(super) fn describe(connection: &Connection, name: &str) -> Result<Self, Fault> {
        let find =
            "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
        let found = connection
            .query_row(find, [name], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))
            .optional()?;
        let (name, kind, is_without_rowid): (String, _, bool) =
            found.ok_or_else(|| Fault::Missing(name.to_owned()))?;
        match kind.as_str() {
            "table" => {}
            "view" => {
                return Err(refused(
                    &name,
                    "is a view, and a view has no changes of its own: name its table",
                ));
            }
            _ => {
                return Err(refused(
                    &name,
                    "is a virtual table, and SQLite has no triggers for it: name a table that stores rows",
                ));
            }
        }
        let is_ours = ["sqlite_", "tidings_"]
            .iter()
            .any(|own| name.get(..own.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(own)));
        if is_ours {
            return Err(refused(&name, "is none of the application's: name a table of its data"));
        }
        let infos = infos(connection, &name)?;
        let is_column = |name: &str| infos.iter().any(|info| info.name.eq_ignore_ascii_case(name));
        let indexes = indexes(connection, &name)?;
        let key_index = indexes.iter().find(|index| index.is_key);
        let key = key(&name, &infos, key_index)?;
        let has_hidden_rowid = !is_without_rowid && key_index.is_some();
        let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !is_column(name));
        let is_told_by_key = |index: &Index| index.is_key && key.iter().all(|column| column.is_binary);
        let uniques = indexes.iter().filter(|index| !is_told_by_key(index));
        let uniques = uniques.map(|index| unique(&name, index, &infos)).collect::<Result<_, _>>()?;
        let shape = "SELECT name || char(10) || rootpage || char(10) || sql FROM sqlite_schema \
            WHERE type = 'table' AND name = ?1";
        let shape = connection.query_row(shape, [&name], |row| row.get(0))?;
        let columns = infos.iter().map(|info| Column {
            name: info.name.clone(),
            kind: Kind::of(&info.declared),
            if_null: info.if_null.clone(),
        });
        Ok(Self {
            columns: columns.collect(),
            key,
            rowid: rowid.filter(|_| has_hidden_rowid),
            uniques,
            shape,
            name,
        })
    }
}

fn infos(connection: &Connection, name: &str) -> rusqlite::Result<Vec<Info>> {
    let mut statement =
        connection.prepare("SELECT name, type, pk, hidden, iif(\"notnull\", dflt_value, NULL) FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let infos = statement.query_map([name], |row| {
        Ok(Info {
            name: row.get(0)?,
            declared: row.get(1)?,
            key: row.get(2)?,
            // 2 and 3: generated when it is read, or when it is written.
            is_generated: row.get::<_, i64>(3)? >= 2,
            if_null: row.get::<_, Option<String>>(4)?.map(|default| default_value(&default)),
        })
    })?;
    infos.collect()
}

/// A unique index, as SQLite describes it.
struct Index {
    /// Whether it is the index of the primary key. A key that is the rowid has none.
    is_key: bool,
    is_partial: bool,
    sql: Option<String>,
    /// The number of the column, or none for an expression, with the collation.
    terms: Vec<(Option<usize>, String)>,
}

fn indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    let mut list = connection.prepare(
        "SELECT list.name, list.origin, list.partial, own.sql FROM pragma_index_list(?1) AS list \
         LEFT JOIN sqlite_schema AS own ON own.type = 'index' AND own.name = list.name WHERE list.\"unique\" ORDER BY list.seq",
    )?;
    let mut terms =
        connection.prepare("SELECT cid, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno")?;
    let indexes = list.query_map([table], |row| {
        let name: String = row.get(0)?;
        let terms =
            terms.query_map([name], |row| Ok((usize::try_from(row.get::<_, i64>(0)?).ok(), row.get(1)?)))?;
        Ok(Index {
            is_key: row.get::<_, String>(1)? == "pk",
            is_partial: row.get(2)?,
            sql: row.get(3)?,
            terms: terms.collect::<rusqlite::Result<_>>()?,
        })
    })?;
    indexes.collect()
}

fn key(table: &str, infos: &[Info], index: Option<&Index>) -> Result<Vec<KeyColumn>, Fault> {
    let mut columns: Vec<(usize, &Info)> =
        infos.iter().enumerate().filter(|(_, info)| info.key > 0).collect();
    columns.sort_by_key(|(_, info)| info.key);
    if columns.is_empty() {
        return Err(refused(
            table,
            "has no PRIMARY KEY, and rowids change with VACUUM: make it again with a primary key",
        ));
    }
    let column = |(number, info): (usize, &Info)| {
        let collation = index.and_then(|index| index.terms.iter().find(|term| term.0 == Some(number)));
        let collation = collation.map_or("BINARY", |(_, collation)| collation);
        let is_built_in = ["BINARY", "NOCASE", "RTRIM"].iter().any(|own| own.eq_ignore_ascii_case(collation));
        let name = &info.name;
        if !is_built_in {
            let why = format!(
                "has the collation {collation} in its key, which only the application knows: use BINARY, NOCASE or RTRIM"
            );
            return Err(refused(table, &why));
        }
        let Some(holds) = Holds::of(&info.declared) else {
            let why = format!(
                "has a key column without a type, `{name}`: 1 and '1' would be one key. Give the column a type"
            );
            return Err(refused(table, &why));
        };
        Ok(KeyColumn { name: name.clone(), holds, is_binary: collation.eq_ignore_ascii_case("BINARY") })
    };
    columns.into_iter().map(column).collect()
}

fn unique(table: &str, index: &Index, infos: &[Info]) -> Result<Unique, Fault> {
    let parts = index.sql.as_deref().and_then(index::parts);
    let needs_parts = index.is_partial || index.terms.iter().any(|(column, _)| column.is_none());
    if needs_parts && parts.as_ref().is_none_or(|(terms, _)| terms.len() != index.terms.len()) {
        return Err(refused(table, "has a unique index that can't be read: write it in a simpler way"));
    }
    let (texts, filter) = parts.unwrap_or_default();
    let term = |(place, (column, collation)): (usize, &(Option<usize>, String))| {
        let what = match column.and_then(|number| infos.get(number)) {
            Some(info) => What::Column { name: info.name.clone(), is_generated: info.is_generated },
            None => What::Expression(texts[place].clone()),
        };
        Term { what, collation: collation.clone() }
    };
    Ok(Unique { terms: index.terms.iter().enumerate().map(term).collect(), filter })
}

impl Kind {
    fn of(declared: &str) -> Self {
        match declared.to_ascii_uppercase().as_str() {
            "BOOLEAN" | "BOOL" => Self::Boolean,
            "JSON" | "JSONB" => Self::Json,
            _ => Self::Plain,
        }
    }
}

impl Holds {
    /// The rules by which SQLite gives a column its affinity. `ANY` is the type of a strict table that converts nothing; in
    /// another table it is a name like any other.
    fn of(declared: &str) -> Option<Self> {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        if has(&["INT"]) {
            Some(Self::Numbers)
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Some(Self::Texts)
        } else if has(&["BLOB"]) {
            Some(Self::Blobs)
        } else if declared.is_empty() || declared == "ANY" {
            None
        } else {
            Some(Self::Numbers)
        }
    }
}
