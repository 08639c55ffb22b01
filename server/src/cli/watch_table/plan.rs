//! From a declaration to the payloads of its events, checked by the schema of the domain. Pure: it knows no database.

use serde_json::Value;
use tidings_shared::{
    nearest,
    schema::{DomainSchema, EventSchema, FanOut, FieldSchema, Type},
};

use super::declaration::{ColumnOf, Constant, Declaration, Field, Operation};

/// What each event of a table says.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) events: Vec<Event>,
    pub(super) tenant: Tenant,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

/// An event, and where its payload comes from.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) operation: Operation,
    pub(super) name: &'static str,
    pub(super) members: Vec<Member>,
}

/// A member of a payload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) source: Source,
}

/// The form of a value in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Uuid,
    Text,
    Bool,
    Number,
    /// What the column has.
    Any,
    /// The value that the column has as JSON.
    Json,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Column(ColumnOf),
    Value(Value),
}

/// Whose row it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tenant {
    Home,
    Named(String),
    Column(String),
}

/// A column of a table, whatever the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name, as the database writes it.
    pub(super) name: String,
    /// Its type for messages.
    pub(super) declared: String,
    pub(super) may_be_null: bool,
    /// The values that it may have.
    pub(super) holds: Holds,
}

/// The values of a column, as far as its type says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Anything,
    Uuids,
    Texts,
    Integers,
    /// Numbers, whole ones among them.
    Numerics,
    /// Numbers with a fraction.
    Reals,
    Bools,
    Bytes,
    Json,
    /// Something else, which has a text.
    Other,
}

/// Makes the plan. `known` finds a column, in the way in which the database compares names.
///
/// # Errors
/// The first fault, with its remedy.
pub(super) fn plan(
    declaration: &Declaration,
    domain: &DomainSchema,
    columns: &[Column],
) -> Result<Plan, String> {
    if domain.fan_out == FanOut::Named {
        return Err(format!(
            "the payload of an event of `{}` does not contain its topics, and a trigger can't name them: let the \
             application write these events",
            domain.name
        ));
    }
    let events = events(declaration, domain)?;
    let mut fields: Vec<&FieldSchema> = Vec::new();
    for field in events.iter().flat_map(|(_, event)| event.payload.fields) {
        if !fields.iter().any(|known| known.name == field.name) {
            fields.push(field);
        }
    }
    check_declared(declaration, &fields)?;
    let mut notes = Vec::new();
    let events = events
        .into_iter()
        .map(|(operation, event)| {
            let member = |field| member(declaration, operation, event, field, columns, &mut notes);
            let members = event.payload.fields.iter().filter_map(member).collect::<Result<_, _>>()?;
            Ok(Event { operation, name: event.name, members })
        })
        .collect::<Result<_, String>>()?;
    let tenant = match (&declaration.tenant, &declaration.tenant_column) {
        (Some(tenant), _) => Tenant::Named(tenant.as_str().to_owned()),
        (None, Some(name)) => Tenant::Column(column(name, declaration.table(), columns)?.name.clone()),
        (None, None) => Tenant::Home,
    };
    notes.dedup();
    Ok(Plan { events, tenant, notes })
}

fn events<'a>(
    declaration: &Declaration,
    domain: &'a DomainSchema,
) -> Result<Vec<(Operation, &'a EventSchema)>, String> {
    let find = |(operation, name): (Operation, &str)| {
        let event = domain.events.iter().find(|event| event.name == name);
        let names = || domain.events.iter().map(|event| event.name);
        let unknown = || unknown(&format!("`{}` has no event", domain.name), name, names());
        event.map(|event| (operation, event)).ok_or_else(unknown)
    };
    let events = declaration.events().map(find).collect::<Result<Vec<_>, _>>()?;
    if events.is_empty() {
        let names: Vec<&str> = domain.events.iter().map(|event| event.name).collect();
        return Err(format!(
            "name at least one event with --created, --updated or --deleted: `{}` has {}",
            domain.name,
            names.join(", ")
        ));
    }
    Ok(events)
}

/// Checks that each declared field is one of the payload, and that it is declared once.
fn check_declared(declaration: &Declaration, fields: &[&FieldSchema]) -> Result<(), String> {
    let declared: Vec<&str> = (declaration.fields.iter().map(|field| &field.name))
        .chain(declaration.values.iter().map(|value| &value.name))
        .map(String::as_str)
        .collect();
    for (at, name) in declared.iter().enumerate() {
        if !fields.iter().any(|field| field.name == *name) {
            let names = fields.iter().map(|field| field.name);
            return Err(unknown("the payload has no field", name, names));
        }
        if declared[at + 1..].contains(name) {
            return Err(format!("the field `{name}` is given twice"));
        }
    }
    Ok(())
}

/// Returns where a field gets its value. `None`: it has none, and needs none.
fn member(
    declaration: &Declaration,
    operation: Operation,
    event: &EventSchema,
    field: &FieldSchema,
    columns: &[Column],
    notes: &mut Vec<String>,
) -> Option<Result<Member, String>> {
    let FieldSchema { name, ty, .. } = *field;
    let form = form(&ty);
    if let Some(Constant { value, .. }) = declaration.values.iter().find(|value| value.name == name) {
        let source = constant(name, &ty, value).map(Source::Value);
        return Some(source.map(|source| Member { name, form, source }));
    }
    let declared = declaration.fields.iter().find(|declared| declared.name == name);
    let same = || columns.iter().find(|column| column.name == name);
    let column_of = match declared {
        Some(Field { column, .. }) => column.clone(),
        None => match same() {
            Some(column) => ColumnOf::Now(column.name.clone()),
            None if ty.is_option() => return None,
            None => {
                return Some(Err(format!(
                    "the event `{}` needs the field `{name}`, and the table has no column of that name: add --field \
                     {name}=COLUMN or --value {name}=VALUE",
                    event.name
                )));
            }
        },
    };
    Some(from_column(declaration, operation, event, field, form, column_of, columns, notes))
}

#[expect(clippy::too_many_arguments, reason = "it is the second half of `member`")]
fn from_column(
    declaration: &Declaration,
    operation: Operation,
    event: &EventSchema,
    field: &FieldSchema,
    form: Form,
    column_of: ColumnOf,
    columns: &[Column],
    notes: &mut Vec<String>,
) -> Result<Member, String> {
    let FieldSchema { name, ty, .. } = *field;
    let column = column(column_of.name(), declaration.table(), columns)?;
    if !fits(form, &ty, column.holds) {
        return Err(format!(
            "the column `{}` is {}, and the field `{name}` takes {}: name another column, or add a generated column of \
             that type",
            column.name,
            column.declared,
            words(&ty)
        ));
    }
    // A list may also be in a column of texts.
    let form = if form == Form::Any && column.holds == Holds::Json { Form::Json } else { form };
    if !ty.is_option() {
        if operation == Operation::Created && matches!(column_of, ColumnOf::Before(_)) {
            return Err(format!(
                "the event `{}` needs the field `{name}`, and a new row has no value before the change: write {name}={}",
                event.name, column.name
            ));
        }
        if column.may_be_null {
            notes.push(format!(
                "the column `{}` may be NULL, and the field `{name}` needs a value: the event of such a row becomes a \
                 dead letter",
                column.name
            ));
        }
    }
    let column_of = match column_of {
        ColumnOf::Now(_) => ColumnOf::Now(column.name.clone()),
        ColumnOf::Before(_) => ColumnOf::Before(column.name.clone()),
    };
    Ok(Member { name, form, source: Source::Column(column_of) })
}

fn column<'a>(name: &str, table: &str, columns: &'a [Column]) -> Result<&'a Column, String> {
    let exact = columns.iter().find(|column| column.name == name);
    let found = exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)));
    found.ok_or_else(|| {
        let names = columns.iter().map(|column| column.name.as_str());
        unknown(&format!("the table `{table}` has no column"), name, names)
    })
}

/// Returns the value of a constant: JSON if that fits the type, or else a text.
fn constant(name: &str, ty: &Type, text: &str) -> Result<Value, String> {
    let fits = |value: &Value| ty.check(&Some(value)).map_err(|fault| fault.of_field(name));
    match serde_json::from_str::<Value>(text) {
        Ok(value) if fits(&value).is_ok() => Ok(value),
        _ => {
            let value = Value::from(text);
            fits(&value).map(|()| value)
        }
    }
}

fn form(ty: &Type) -> Form {
    match ty {
        Type::Uuid => Form::Uuid,
        Type::String | Type::Segment { .. } | Type::Choice { .. } => Form::Text,
        Type::Bool => Form::Bool,
        Type::Integer { .. } | Type::Number | Type::Float32 => Form::Number,
        Type::Any => Form::Any,
        Type::List(_) => Form::Json,
        Type::Option(inner) => form(inner),
    }
}

fn fits(form: Form, ty: &Type, holds: Holds) -> bool {
    match (form, holds) {
        (_, Holds::Anything) | (Form::Any, _) => true,
        (Form::Text, Holds::Texts) => true,
        // A record's number, as a segment of its topic.
        (Form::Text, Holds::Uuids | Holds::Integers | Holds::Bytes | Holds::Other) => !is_choice(ty),
        (Form::Uuid, Holds::Uuids | Holds::Texts | Holds::Bytes) => true,
        (Form::Bool, Holds::Bools | Holds::Integers) => true,
        (Form::Number, Holds::Integers | Holds::Numerics) => true,
        (Form::Number, Holds::Reals) => !is_integer(ty),
        (Form::Json, Holds::Json | Holds::Texts) => true,
        _ => false,
    }
}

fn inner(ty: &Type) -> &Type {
    if let Type::Option(inner) = ty { inner } else { ty }
}

fn is_choice(ty: &Type) -> bool {
    matches!(inner(ty), Type::Choice { .. })
}

fn is_integer(ty: &Type) -> bool {
    matches!(inner(ty), Type::Integer { .. })
}

fn words(ty: &Type) -> &'static str {
    match inner(ty) {
        Type::Uuid => "UUIDs",
        Type::String => "texts",
        Type::Segment { .. } => "texts that a topic may have",
        Type::Choice { .. } => "the names of a choice",
        Type::Bool => "true or false",
        Type::Integer { .. } => "whole numbers",
        Type::Number | Type::Float32 => "numbers",
        Type::List(_) => "lists, as JSON",
        Type::Any | Type::Option(_) => "any value",
    }
}

impl Plan {
    /// Returns the columns whose change moves a row: they decide the topics of the event, or the tenant, and no field has
    /// their value before the change. Then the event is announced for the old row, too.
    pub(super) fn moving(&self, domain: &DomainSchema) -> Vec<&str> {
        let updated = self.events.iter().find(|event| event.operation == Operation::Updated);
        let Some(Event { name, members, .. }) = updated else { return Vec::new() };
        let payload = domain.events.iter().find(|event| event.name == *name).map(|event| event.payload);
        let reaches = payload.map_or(&[] as &[_], |payload| payload.reaches);
        let decides = |field: &str| {
            reaches.is_empty()
                || reaches.iter().any(|reach| reach.fields.contains(&field) || reach.condition == Some(field))
        };
        let has_old = |name: &str| {
            members.iter().any(
                |member| matches!(&member.source, Source::Column(ColumnOf::Before(old)) if old == name && decides(member.name)),
            )
        };
        let mut moving: Vec<&str> = Vec::new();
        for member in members {
            if let Source::Column(ColumnOf::Now(name)) = &member.source
                && decides(member.name)
                && !has_old(name)
            {
                moving.push(name);
            }
        }
        if let Tenant::Column(name) = &self.tenant {
            moving.push(name);
        }
        moving.sort_unstable();
        moving.dedup();
        moving
    }
}

/// Says that a name is not known, which one may be meant, and which ones there are.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let meant = nearest(name, known.clone());
    let meant = meant.map_or_else(String::new, |meant| format!(" (do you mean `{meant}`?)"));
    let known: Vec<&str> = known.collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("{what} `{name}`{meant}: there are {known}")
}

#[cfg(test)]
mod tests;
