//! Tables as data: the fields of a record, their values, and the four operations on a row.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, types::Value as Cell};
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

/// The most words of a list: a line on a screen.
const MAX_WORDS: usize = 8;

/// A table of the schema.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The word for one of its records.
    pub(crate) noun: &'static str,
    /// The column with the key of a record.
    pub(crate) key: &'static str,
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
    /// The address of a page; required in a new record.
    Address,
    /// A list of words. The column has it as JSON.
    Words,
}

/// The object in a request's body.
pub(crate) type Body = Map<String, Value>;

impl Table {
    /// Inserts a record and returns its identity.
    ///
    /// # Errors
    /// A field has a wrong value, or the table is full.
    pub(crate) fn insert(&self, tx: &Transaction<'_>, body: &Body) -> Result<Uuid, Fault> {
        let uuid = Uuid::now_v7();
        self.insert_as(tx, uuid.into(), body)?;
        Ok(uuid)
    }

    /// Inserts a record with this key. If the keys are numbers, `NULL` takes the next one.
    ///
    /// # Errors
    /// A field has a wrong value, or the table is full.
    pub(crate) fn insert_as(&self, tx: &Transaction<'_>, key: Cell, body: &Body) -> Result<(), Fault> {
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
        let columns: String = given.iter().map(|(column, _)| format!(", {column}")).collect();
        let marks = ", ?".repeat(given.len());
        let sql = format!("INSERT INTO {} ({}{columns}) VALUES (?{marks})", self.name, self.key);
        let cells = std::iter::once(key).chain(given.into_iter().map(|(_, cell)| cell));
        tx.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(cells))?;
        Ok(())
    }

    /// Sets the fields that the body names. The others stay as they are.
    ///
    /// # Errors
    /// A field has a wrong value, or there is no such record.
    pub(crate) fn update(
        &self,
        tx: &Transaction<'_>,
        key: impl Into<Cell>,
        body: &Body,
    ) -> Result<(), Fault> {
        let (given, key) = (self.cells(tx, body)?, key.into());
        self.expect(tx, key.clone())?;
        if given.is_empty() {
            return Ok(());
        }
        let columns: Vec<String> = given.iter().map(|(column, _)| format!("{column} = ?")).collect();
        let sql = format!("UPDATE {} SET {} WHERE {} = ?", self.name, columns.join(", "), self.key);
        let cells = given.into_iter().map(|(_, cell)| cell).chain([key]);
        tx.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(cells))?;
        Ok(())
    }

    /// Deletes a record. The schema's foreign keys say which others are deleted with it.
    ///
    /// # Errors
    /// There is no such record.
    pub(crate) fn delete(&self, tx: &Transaction<'_>, key: impl Into<Cell>) -> Result<(), Fault> {
        match tx.execute(&format!("DELETE FROM {} WHERE {} = ?", self.name, self.key), [key.into()])? {
            0 => Err(Fault::missing(self.noun)),
            _ => Ok(()),
        }
    }

    /// Checks that a record exists.
    ///
    /// # Errors
    /// There is no such record.
    pub(crate) fn expect(&self, db: &Connection, key: impl Into<Cell>) -> Result<(), Fault> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {} = ?)", self.name, self.key);
        match db.query_row(&sql, [key.into()], |row| row.get(0))? {
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
        matches!(self, Self::Name | Self::Choice(_) | Self::Parent(_) | Self::Address)
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
            Self::Address => {
                format!(
                    "give an address that begins with http:// or https://, of at most {MAX_PROSE_CHARS} characters"
                )
            }
            Self::Words => {
                format!("give a list of at most {MAX_WORDS} lines of 1 to {MAX_NAME_CHARS} characters")
            }
        }
    }

    fn cell(self, value: &Value) -> Option<Cell> {
        let text = |most, lines| text_of(value, most, lines);
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
            Self::Address => text(MAX_PROSE_CHARS, false)
                .filter(|text| ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)))
                .map(Cell::Text),
            Self::Words => {
                let words = value.as_array().filter(|words| words.len() <= MAX_WORDS)?;
                let word = |word| text_of(word, MAX_NAME_CHARS, false).filter(|text| !text.is_empty());
                let words: Vec<String> = words.iter().map(word).collect::<Option<_>>()?;
                Some(Cell::Text(Value::from(words).to_string()))
            }
        }
    }
}

/// The text of a value, without the spaces around it, if it is allowed.
fn text_of(value: &Value, most: usize, lines: bool) -> Option<String> {
    let text = value.as_str()?.trim();
    let fits = text.chars().take(most + 1).count() <= most;
    let clean = text.chars().all(|c| !c.is_control() || (lines && matches!(c, '\n' | '\r' | '\t')));
    (fits && clean).then(|| text.to_owned())
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

/// In this schema, blobs are UUIDs, integers named `is_…` are flags, and `tags` are JSON.
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
            ValueRef::Text(text) if name == "tags" => serde_json::from_slice(text).unwrap_or(Value::Null),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
            ValueRef::Blob(_) => row.get::<_, Uuid>(at)?.to_string().into(),
        };
        object.insert(name.to_owned(), value);
    }
    Ok(Value::Object(object))
}
