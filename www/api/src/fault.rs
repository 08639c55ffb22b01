//! What the API refuses, and how it says so: `application/problem+json` that names the fault and the remedy.

use serde_json::{Value, json};

/// Why a request was not carried out. Nothing was written, nothing announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The status of the HTTP answer.
    pub(crate) status: u16,
    /// The same for programs.
    pub(crate) code: &'static str,
    /// What is wrong and what to do, for people.
    pub(crate) detail: String,
    /// The member of the body that is at fault.
    pub(crate) field: Option<&'static str>,
}

impl Fault {
    pub(crate) fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None }
    }

    /// A member of the body that is not what it should be.
    pub(crate) fn field(name: &'static str, detail: impl Into<String>) -> Self {
        Self { field: Some(name), ..Self::new(422, "invalid_field", detail) }
    }

    /// A record that does not exist, or no longer.
    pub(crate) fn missing(what: &str) -> Self {
        Self::new(
            404,
            "not_found",
            format!("this {what} does not exist; perhaps it was deleted in another window"),
        )
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, "conflict", detail)
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(503, "overloaded", "the database has too many requests waiting; try again in a second")
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "internal", "the server failed, and its log says why; nothing was written")
    }

    /// The body of the HTTP answer.
    pub(crate) fn to_json(&self) -> Value {
        let title = match self.status {
            404 => "Not found",
            409 => "In conflict with what is stored",
            405 => "Not possible here",
            500.. => "The server's fault",
            _ => "Not accepted",
        };
        let mut problem =
            json!({ "title": title, "status": self.status, "code": self.code, "detail": self.detail });
        if let Some(field) = self.field {
            problem["field"] = field.into();
        }
        problem
    }
}

/// What SQLite says that was not foreseen is the server's own fault: the request was checked before. Only that
/// something is there already is left to the table's own constraint.
impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        if code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) {
            return Self::new(409, "already_there", "this is there already: nothing had to be added");
        }
        tracing::error!(%error, "the database failed");
        Self::internal()
    }
}
