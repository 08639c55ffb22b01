//! The errors of the API: `application/problem+json` that names the fault and the remedy.

use serde_json::{Value, json};

/// The reason why a request failed. Nothing was written, and nothing will be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The status of the HTTP answer.
    pub(crate) status: u16,
    /// The name of the fault, for programs.
    pub(crate) code: &'static str,
    /// The fault and the remedy, for people.
    pub(crate) detail: String,
    /// The member of the body that has the fault.
    pub(crate) field: Option<&'static str>,
}

impl Fault {
    pub(crate) fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None }
    }

    /// A member of the body has a wrong value.
    pub(crate) fn field(name: &'static str, detail: impl Into<String>) -> Self {
        Self { field: Some(name), ..Self::new(422, "invalid_field", detail) }
    }

    /// The record does not exist, or no longer exists.
    pub(crate) fn missing(what: &str) -> Self {
        Self::new(
            404,
            "not_found",
            format!("this {what} does not exist; somebody may have deleted it in another window"),
        )
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, "conflict", detail)
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(503, "overloaded", "too many requests wait for the database; try again in a second")
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "internal", "the server failed and wrote nothing; its log says why")
    }

    /// The body of the HTTP answer.
    pub(crate) fn to_json(&self) -> Value {
        let title = match self.status {
            404 => "Not found",
            409 => "In conflict with the stored data",
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

/// The request was checked before, so an error of SQLite is the server's fault. The exception is a row that exists
/// already, which only the table's constraint finds.
impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        if code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) {
            return Self::new(409, "already_there", "this exists already, so nothing was added");
        }
        tracing::error!(%error, "the database failed");
        Self::internal()
    }
}
