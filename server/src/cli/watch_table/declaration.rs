//! What a user declares: which events the rows of a table become.

use std::fmt;

use clap::Args;
use tidings_hub::TenantId;

/// The prefix of a column's value before an update.
const OLD: &str = "old.";

/// The table, its events, and their payloads. The flags of `tidings watch-table`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Declaration {
    /// Table of the application; without it, the command checks what is watched
    #[arg(value_name = "TABLE")]
    pub(super) table: Option<String>,
    /// Domain of the events
    #[arg(long, value_name = "NAME", requires = "table")]
    pub(super) domain: Option<String>,
    /// Event of a new row
    #[arg(long, value_name = "EVENT")]
    pub(super) created: Option<String>,
    /// Event of a changed row
    #[arg(long, value_name = "EVENT")]
    pub(super) updated: Option<String>,
    /// Event of a deleted row
    #[arg(long, value_name = "EVENT")]
    pub(super) deleted: Option<String>,
    /// Field of the payload and the column with its value; `old.COLUMN` is the value before the change. A field without this
    /// flag gets the column of the same name
    #[arg(long = "field", value_name = "FIELD=COLUMN", value_parser = field)]
    pub(super) fields: Vec<Field>,
    /// Field of the payload and its value in each event, as JSON or as a plain text
    #[arg(long = "value", value_name = "FIELD=VALUE", value_parser = constant)]
    pub(super) values: Vec<Constant>,
    /// Tenant of all rows; without it, the home tenant of the server
    #[arg(long, value_name = "TENANT", conflicts_with = "tenant_column")]
    pub(super) tenant: Option<TenantId>,
    /// Column with the row's tenant
    #[arg(long, value_name = "COLUMN")]
    pub(super) tenant_column: Option<String>,
}

/// A field of the payload, and the column that has its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) column: ColumnOf,
}

/// A column of the row as it is now, or as it was before the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ColumnOf {
    Now(String),
    Before(String),
}

/// A field of the payload, and the text of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) value: String,
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Created,
    Updated,
    Deleted,
}

fn field(text: &str) -> Result<Field, String> {
    let (name, column) = split(text, "FIELD=COLUMN")?;
    let column = match column.strip_prefix(OLD) {
        Some(column) => ColumnOf::Before(column.to_owned()),
        None => ColumnOf::Now(column),
    };
    Ok(Field { name, column })
}

fn constant(text: &str) -> Result<Constant, String> {
    let (name, value) = split(text, "FIELD=VALUE")?;
    Ok(Constant { name, value })
}

fn split(text: &str, form: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("write {form}")),
    }
}

impl Declaration {
    /// Returns the events, with what they tell of.
    pub(super) fn events(&self) -> impl Iterator<Item = (Operation, &str)> {
        let all = [
            (Operation::Created, &self.created),
            (Operation::Updated, &self.updated),
            (Operation::Deleted, &self.deleted),
        ];
        all.into_iter().filter_map(|(operation, event)| Some((operation, event.as_deref()?)))
    }

    /// Returns the name of the table.
    pub(super) fn table(&self) -> &str {
        self.table.as_deref().unwrap_or_default()
    }

    /// Returns the name of the domain.
    pub(super) fn domain(&self) -> &str {
        self.domain.as_deref().unwrap_or_default()
    }

    /// Returns the arguments that declare the same.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.table().to_owned(), "--domain".to_owned(), self.domain().to_owned()];
        let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        for (operation, event) in self.events() {
            add(operation.flag(), event.to_owned());
        }
        for Field { name, column } in &self.fields {
            add("--field", format!("{name}={column}"));
        }
        for Constant { name, value } in &self.values {
            add("--value", format!("{name}={value}"));
        }
        if let Some(tenant) = &self.tenant {
            add("--tenant", tenant.as_str().to_owned());
        }
        if let Some(column) = &self.tenant_column {
            add("--tenant-column", column.clone());
        }
        arguments
    }
}

impl Operation {
    /// Returns its flag of the command line.
    pub(super) fn flag(self) -> &'static str {
        match self {
            Self::Created => "--created",
            Self::Updated => "--updated",
            Self::Deleted => "--deleted",
        }
    }
}

impl ColumnOf {
    /// Returns the name of the column.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Now(name) | Self::Before(name) => name,
        }
    }
}

/// As a user writes it.
impl fmt::Display for ColumnOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(name) => f.write_str(name),
            Self::Before(name) => write!(f, "{OLD}{name}"),
        }
    }
}

/// The arguments of a declaration alone.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true)]
struct Alone {
    #[command(flatten)]
    declaration: Declaration,
}

impl Declaration {
    /// Reads what [`Declaration::arguments`] has written.
    ///
    /// # Errors
    /// Another version has written it.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let alone = <Alone as clap::Parser>::try_parse_from(arguments);
        alone
            .map(|alone| alone.declaration)
            .map_err(|error| format!("its declaration can't be read: {error}"))
    }
}
