//! Tables as data: the fields of a record, their values, and the four operations on a row.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, params, types::Value as Cell};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::fault::Fault;

/// The most rows of a table. It bounds every list, so that this demo needs no paging. Beyond it an insert gets 409.
pub(crate) const MAX_ROWS: i64 = 2_000;

/// The most characters of a name or title: one line on a screen.
pub(crate) const MAX_NAME_CHARS: usize = 120;

/// The most characters of a longer text: a full screen.
pub(crate) const MAX_PROSE_CHARS: usize = 2_000;

/// A table of the schema.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The word for one of its records.
    pub(crate) noun: &'static str,
    pub(crate) fields: &'static [Field],
}

/// A column that a request may set.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// The values of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// One line that is not empty; required in a new record.
    Name,
    /// One line or none.
    Line,
    /// Text of several lines or none.
    Prose,
    /// One of these words; required in a new record.
    Choice(&'static [&'static str]),
    /// A whole number from 0 to this.
    Count(i64),
    /// True or false.
    Flag,
    /// A record of another table that this one belongs to; required in a new record.
    Parent(&'static Table),
    /// A record of another table, or null.
    Link(&'static Table),
}

/// The object in a request's body.
pub(crate) type Body = Map<String, Value>;

impl Table {
    /// Inserts a record and returns its identity.
    ///
    /// # Errors
    /// A field has a wrong value, or the table is full.
    pub(crate) fn insert(&self, tx: &Transaction<'_>, body: &Body) -> Result<Uuid, Fault> {
        let rows: i64 = tx.query_row(&format!("SELECT count(*) FROM {}", self.name), [], |row| row.get(0))?;
        if rows >= MAX_ROWS {
            return Err(Fault::conflict(format!(
                "this demo keeps at most {MAX_ROWS} {}; delete one first",
                self.name
            )));
        }
        let given = self.cells(tx, body)?;
        if let Some(field) = self.fields.iter().find(|f| f.kind.is_required() && !body.contains_key(f.name)) {
            return Err(Fault::field(
                field.name,
                format!("`{}` is missing: {}", field.name, field.kind.rule()),
            ));
        }
        let uuid = Uuid::now_v7();
        let columns: String = given.iter().map(|(column, _)| format!(", {column}")).collect();
        let marks = ", ?".repeat(given.len());
        let sql = format!("INSERT INTO {} (uuid{columns}) VALUES (?{marks})", self.name);
        let cells = std::iter::once(Cell::Blob(uuid.as_bytes().to_vec()))
            .chain(given.into_iter().map(|(_, cell)| cell));
        tx.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(cells))?;
        Ok(uuid)
    }

    /// Sets the fields that the body names. The others stay as they are.
    ///
    /// # Errors
    /// A field has a wrong value, or there is no such record.
    pub(crate) fn update(&self, tx: &Transaction<'_>, uuid: Uuid, body: &Body) -> Result<(), Fault> {
        let given = self.cells(tx, body)?;
        self.expect(tx, uuid)?;
        if given.is_empty() {
            return Ok(());
        }
        let columns: Vec<String> = given.iter().map(|(column, _)| format!("{column} = ?")).collect();
        let sql = format!("UPDATE {} SET {} WHERE uuid = ?", self.name, columns.join(", "));
        let cells = given.into_iter().map(|(_, cell)| cell).chain([Cell::Blob(uuid.as_bytes().to_vec())]);
        tx.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(cells))?;
        Ok(())
    }

    /// Deletes a record. The schema's foreign keys say which others are deleted with it.
    ///
    /// # Errors
    /// There is no such record.
    pub(crate) fn delete(&self, tx: &Transaction<'_>, uuid: Uuid) -> Result<(), Fault> {
        match tx.execute(&format!("DELETE FROM {} WHERE uuid = ?", self.name), params![uuid])? {
            0 => Err(Fault::missing(self.noun)),
            _ => Ok(()),
        }
    }

    /// Checks that a record exists.
    ///
    /// # Errors
    /// There is no such record.
    pub(crate) fn expect(&self, db: &Connection, uuid: Uuid) -> Result<(), Fault> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE uuid = ?)", self.name);
        match db.query_row(&sql, [uuid], |row| row.get(0))? {
            true => Ok(()),
            false => Err(Fault::missing(self.noun)),
        }
    }

    /// Checks the body's members and returns them as cells.
    fn cells(&self, db: &Connection, body: &Body) -> Result<Vec<(&'static str, Cell)>, Fault> {
        let mut cells = Vec::new();
        for (name, value) in body {
            let Some(field) = self.fields.iter().find(|field| field.name == name) else {
                let names: Vec<_> = self.fields.iter().map(|field| field.name).collect();
                return Err(Fault::new(
                    422,
                    "unknown_field",
                    format!("a {} has no field {name:?}; its fields are {}", self.noun, names.join(", ")),
                ));
            };
            let cell = field.kind.cell(value).ok_or_else(|| {
                Fault::field(field.name, format!("`{}` is not accepted: {}", field.name, field.kind.rule()))
            })?;
            if let (Kind::Parent(table) | Kind::Link(table), Cell::Blob(blob)) = (field.kind, &cell) {
                let uuid = Uuid::from_slice(blob).map_err(|_| Fault::internal())?;
                table.expect(db, uuid).map_err(|_| {
                    Fault::field(
                        field.name,
                        format!(
                            "the {} of `{}` does not exist; somebody may have deleted it: choose another",
                            table.noun, field.name
                        ),
                    )
                })?;
            }
            cells.push((field.name, cell));
        }
        Ok(cells)
    }
}

impl Kind {
    fn is_required(self) -> bool {
        matches!(self, Self::Name | Self::Choice(_) | Self::Parent(_))
    }

    /// Tells which values are accepted.
    fn rule(self) -> String {
        match self {
            Self::Name => format!("give one line of 1 to {MAX_NAME_CHARS} characters"),
            Self::Line => format!("give one line of at most {MAX_NAME_CHARS} characters"),
            Self::Prose => format!("give a text of at most {MAX_PROSE_CHARS} characters"),
            Self::Choice(words) => format!("give one of {}", words.join(", ")),
            Self::Count(most) => format!("give a whole number from 0 to {most}"),
            Self::Flag => "give true or false".to_owned(),
            Self::Parent(table) => format!("give the uuid of a {}", table.noun),
            Self::Link(table) => format!("give the uuid of a {}, or null", table.noun),
        }
    }

    fn cell(self, value: &Value) -> Option<Cell> {
        let text = |most: usize, lines: bool| {
            let text = value.as_str()?.trim();
            let fits = text.chars().take(most + 1).count() <= most;
            let clean = text.chars().all(|c| !c.is_control() || (lines && matches!(c, '\n' | '\r' | '\t')));
            (fits && clean).then(|| text.to_owned())
        };
        let uuid = || Some(Cell::Blob(Uuid::parse_str(value.as_str()?).ok()?.as_bytes().to_vec()));
        match self {
            Self::Name => text(MAX_NAME_CHARS, false).filter(|text| !text.is_empty()).map(Cell::Text),
            Self::Line => text(MAX_NAME_CHARS, false).map(Cell::Text),
            Self::Prose => text(MAX_PROSE_CHARS, true).map(Cell::Text),
            Self::Choice(words) => {
                words.iter().find(|word| value == **word).map(|word| Cell::Text((*word).to_owned()))
            }
            Self::Count(most) => value.as_i64().filter(|n| (0..=most).contains(n)).map(Cell::Integer),
            Self::Flag => value.as_bool().map(|flag| Cell::Integer(flag.into())),
            Self::Parent(_) => uuid(),
            Self::Link(_) if value.is_null() => Some(Cell::Null),
            Self::Link(_) => uuid(),
        }
    }
}

/// Returns the rows of a query as records. A record has a field for each column.
///
/// # Errors
/// An error of the database, or the columns do not fit the record.
pub(crate) fn rows<T: DeserializeOwned>(
    db: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<T>, Fault> {
    let mut statement = db.prepare_cached(sql)?;
    let objects = statement.query_map(params, object)?.collect::<Result<Vec<_>, _>>()?;
    objects.into_iter().map(record).collect()
}

/// The one row of a query as a record.
///
/// # Errors
/// There is no row: then the error says that there is no `noun`. Or the columns do not fit the record.
pub(crate) fn row<T: DeserializeOwned>(
    db: &Connection,
    noun: &str,
    sql: &str,
    params: impl Params,
) -> Result<T, Fault> {
    let object = db.prepare_cached(sql)?.query_row(params, object).optional()?;
    record(object.ok_or_else(|| Fault::missing(noun))?)
}

fn record<T: DeserializeOwned>(object: Value) -> Result<T, Fault> {
    serde_json::from_value(object).map_err(|error| {
        tracing::error!(%error, "a row does not fit its record");
        Fault::internal()
    })
}

/// In this schema, blobs are UUIDs, and integers named `is_…` are flags.
fn object(row: &Row<'_>) -> rusqlite::Result<Value> {
    let columns = row.as_ref();
    let mut object = Map::new();
    for at in 0..columns.column_count() {
        let name = columns.column_name(at)?;
        let value = match row.get_ref(at)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) if name.starts_with("is_") => Value::Bool(number != 0),
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
            ValueRef::Blob(_) => row.get::<_, Uuid>(at)?.to_string().into(),
        };
        object.insert(name.to_owned(), value);
    }
    Ok(Value::Object(object))
}
