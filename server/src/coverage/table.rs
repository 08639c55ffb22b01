//! What a test declares: which event must name a changed row.

use tidings_shared::nearest;

use super::CoverageError;

/// A table, and the events that must name its rows.
///
/// Without a declaration, an event must name a row by its key: a field of the payload has the name of each column of the
/// primary key, and its value. The domain of the event does not matter.
///
/// ```
/// use tidings_server::coverage::{By, Table};
///
/// // An event of `staff` has the row's id as its `uuid`, and both the old and the new department of the row.
/// let teams = Table::new("teams").named(
///     By::domain("staff").field("uuid", "id").either(&["department_uuid", "previous_department_uuid"], "department_id"),
/// );
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) name: String,
    /// Any of them is enough.
    pub(super) named: Vec<By>,
    /// The columns that may change without an event.
    pub(super) without: Vec<String>,
    /// Other tables that show a row of this one, each with its column that has the row's key.
    pub(super) shown_in: Vec<(String, String)>,
    pub(super) is_ignored: bool,
}

/// How an event names a row: fields of its payload have the values of columns.
#[derive(Debug, Clone)]
pub struct By {
    /// `None`: any domain.
    pub(super) domain: Option<String>,
    /// Empty: any event.
    pub(super) events: Vec<String>,
    pub(super) fields: Vec<Field>,
    pub(super) constants: Vec<(String, String)>,
}

/// One of these fields has the value of the column. A column that is NULL is in no payload.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) names: Vec<String>,
    pub(super) column: String,
}

impl Table {
    /// Declares a table. Its rows must be named by their keys, until [`Table::named`] says how.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            named: Vec::new(),
            without: Vec::new(),
            shown_in: Vec::new(),
            is_ignored: false,
        }
    }

    /// Declares that the rows of a table need no events.
    pub fn ignore(name: &str) -> Self {
        Self { is_ignored: true, ..Self::new(name) }
    }

    /// Adds a way to name a row. If there are several, an event may name the row in any of them.
    ///
    /// If a row changes, it must be named with the values before the change, and with the values after it. One event may do
    /// both. If all columns of a way are NULL before or after the change, the other half is enough: a row loses its parent
    /// with the event of the parent.
    #[must_use]
    pub fn named(mut self, by: By) -> Self {
        self.named.push(by);
        self
    }

    /// Declares that this column may change without an event. Nobody sees its value.
    #[must_use]
    pub fn without(mut self, column: &str) -> Self {
        self.without.push(column.to_owned());
        self
    }

    /// Declares that rows of another table show a row of this one: `column` of the other table has the key of this one. If this
    /// row changes, an event must name each of them, too.
    #[must_use]
    pub fn shown_in(mut self, table: &str, column: &str) -> Self {
        self.shown_in.push((table.to_owned(), column.to_owned()));
        self
    }
}

impl By {
    /// Begins with the events of a domain.
    pub fn domain(name: &str) -> Self {
        Self { domain: Some(name.to_owned()), ..Self::any() }
    }

    /// Begins with the events of all domains.
    pub fn any() -> Self {
        Self { domain: None, events: Vec::new(), fields: Vec::new(), constants: Vec::new() }
    }

    /// Allows this event. Without it, all events of the domain are allowed.
    #[must_use]
    pub fn event(mut self, name: &str) -> Self {
        self.events.push(name.to_owned());
        self
    }

    /// Requires that a field of the payload has the value of a column of the row.
    #[must_use]
    pub fn field(self, field: &str, column: &str) -> Self {
        self.either(&[field], column)
    }

    /// Requires that one of these fields of the payload has the value of a column of the row.
    #[must_use]
    pub fn either(mut self, fields: &[&str], column: &str) -> Self {
        let names = fields.iter().map(|&name| name.to_owned()).collect();
        self.fields.push(Field { names, column: column.to_owned() });
        self
    }

    /// Requires that a field of the payload has this value: the name of the table, for example.
    #[must_use]
    pub fn constant(mut self, field: &str, value: &str) -> Self {
        self.constants.push((field.to_owned(), value.to_owned()));
        self
    }
}

/// Checks that the tables and columns of the declarations are there. `names` has all tables of the database, and `watched` those
/// that need events, with their columns.
pub(super) fn check(
    declared: &[Table],
    names: &[String],
    watched: &[(String, Vec<String>)],
) -> Result<(), CoverageError> {
    let columns_of = |table: &str| {
        let found = watched.iter().find(|(name, _)| name.eq_ignore_ascii_case(table));
        found.map(|(_, columns)| columns)
    };
    for Table { name, named, without, shown_in, .. } in declared {
        known("table", name, names.iter())?;
        let Some(columns) = columns_of(name) else { continue };
        let fields = named.iter().flat_map(|by| by.fields.iter().map(|field| &field.column));
        for column in fields.chain(without) {
            known(&format!("column of `{name}`"), column, columns.iter())?;
        }
        for (other, column) in shown_in {
            known("watched table", other, watched.iter().map(|(name, _)| name))?;
            known(&format!("column of `{other}`"), column, columns_of(other).into_iter().flatten())?;
        }
    }
    Ok(())
}

fn known<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a String> + Clone,
) -> Result<(), CoverageError> {
    if known.clone().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let meant = nearest(name, known.map(String::as_str));
    let meant = meant.map_or_else(String::new, |meant| format!(" (do you mean `{meant}`?)"));
    Err(CoverageError(format!("a declaration names `{name}`, and there is no such {what}{meant}")))
}
