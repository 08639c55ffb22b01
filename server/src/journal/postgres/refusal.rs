//! Why a user can't use a journal, and the remedy.

use super::column::column;
use crate::postgres::{Database, Fault, Session};

/// The user as SQL writes its name, whether it has the role of a node, and whether it has the rights of that role.
const WHO: &str = "SELECT quote_ident(current_user), \
    EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_node' AND pg_has_role(oid, 'MEMBER')), \
    EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_node' AND pg_has_role(oid, 'USAGE'))";

/// The remedy for a journal that is not there, or not whole.
pub(super) const INIT: &str =
    "run `tidings journal init --journal postgres://…` as the owner of the database";

pub(super) fn missing(name: &str) -> String {
    format!("{name}: there is no journal; {INIT}")
}

pub(super) async fn forbidden(database: &Database, session: &Session) -> String {
    let name = database.name();
    let who = session.query_one(WHO, &[]).await.ok();
    let user = who.as_ref().and_then(|row| column(row, 0)).unwrap_or_else(|| database.user());
    let is = |index| who.as_ref().and_then(|row| column(row, index)) == Some(true);
    if is(2) {
        return format!("{name}: the role tidings_node lacks rights that belong to it; {INIT} once more");
    }
    if is(1) {
        // A later version of PostgreSQL has the setting in the grant.
        return format!(
            "{name}: the user {user} has the role tidings_node, and does not inherit its rights; let the owner run \
             `ALTER ROLE {user} INHERIT`, or with PostgreSQL 16 and later `GRANT tidings_node TO {user} WITH INHERIT TRUE`"
        );
    }
    format!(
        "{name}: the user {user} may not use the journal; let the owner run `GRANT tidings_node TO {user}`"
    )
}

/// Returns the message of a fault, with the remedy if the journal or a right is gone.
pub(super) async fn explained(database: &Database, session: &Session, fault: Fault) -> String {
    match fault {
        fault if fault.is_missing() => missing(database.name()),
        fault if fault.is_forbidden() => forbidden(database, session).await,
        fault => fault.message,
    }
}
