//! URLs of databases, for messages.

/// Returns whether a text is a URL of PostgreSQL.
pub(crate) fn is_postgres(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// Returns the host and the database of a URL of PostgreSQL. If a secret could be among them, returns `postgres://…`: an `@`
/// behind the host may be a part of a password that is not escaped.
pub(crate) fn public(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if after.contains('@') {
        return "postgres://…".to_owned();
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let start = authority.rfind('@').map_or(0, |at| at + 1);
    format!("postgres://{}", &rest[start..end])
}
