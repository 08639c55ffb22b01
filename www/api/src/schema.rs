//! Opens the database file, migrates it, and fills a new one.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use tidings_server::outbox;

use crate::seed;

/// The migrations. `user_version` of the file counts the ones that it has. Only append.
const MIGRATIONS: &[&str] = &[TABLES, outbox::sqlite::SCHEMA, LINKS, seed::LINKS];

/// The tables of the records.
const TABLES: &str = "
    CREATE TABLE departments (
        uuid BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        description TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE teams (
        uuid BLOB PRIMARY KEY,
        department_uuid BLOB REFERENCES departments ON DELETE SET NULL,
        name TEXT NOT NULL,
        purpose TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX teams_by_department ON teams (department_uuid);

    CREATE TABLE people (
        uuid BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        role TEXT NOT NULL DEFAULT '',
        email TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE memberships (
        uuid BLOB PRIMARY KEY,
        team_uuid BLOB NOT NULL REFERENCES teams ON DELETE CASCADE,
        person_uuid BLOB NOT NULL REFERENCES people ON DELETE CASCADE,
        UNIQUE (team_uuid, person_uuid)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX memberships_by_person ON memberships (person_uuid);

    CREATE TABLE projects (
        uuid BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        summary TEXT NOT NULL DEFAULT '',
        lead_uuid BLOB REFERENCES people ON DELETE SET NULL,
        status TEXT NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'active', 'on_hold', 'completed')),
        is_template INTEGER NOT NULL DEFAULT 0,
        is_archived INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX projects_by_lead ON projects (lead_uuid);

    CREATE TABLE tasks (
        uuid BLOB PRIMARY KEY,
        title TEXT NOT NULL,
        notes TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE assignments (
        uuid BLOB PRIMARY KEY,
        project_uuid BLOB NOT NULL REFERENCES projects ON DELETE CASCADE,
        task_uuid BLOB NOT NULL REFERENCES tasks ON DELETE CASCADE,
        person_uuid BLOB REFERENCES people ON DELETE SET NULL,
        place INTEGER NOT NULL DEFAULT 0,
        is_done INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX assignments_by_project ON assignments (project_uuid, place);
    CREATE INDEX assignments_by_task ON assignments (task_uuid);
    CREATE INDEX assignments_by_person ON assignments (person_uuid);

    CREATE TABLE catalogues (
        uuid BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        description TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE categories (
        uuid BLOB PRIMARY KEY,
        catalogue_uuid BLOB NOT NULL REFERENCES catalogues ON DELETE CASCADE,
        name TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX categories_by_catalogue ON categories (catalogue_uuid);

    CREATE TABLE manufacturers (
        uuid BLOB PRIMARY KEY,
        name TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE items (
        uuid BLOB PRIMARY KEY,
        catalogue_uuid BLOB NOT NULL REFERENCES catalogues ON DELETE CASCADE,
        category_uuid BLOB REFERENCES categories ON DELETE SET NULL,
        manufacturer_uuid BLOB REFERENCES manufacturers ON DELETE SET NULL,
        name TEXT NOT NULL,
        sku TEXT NOT NULL DEFAULT '',
        price_cents INTEGER NOT NULL DEFAULT 0,
        stock INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX items_by_catalogue ON items (catalogue_uuid);
    CREATE INDEX items_by_category ON items (category_uuid);
    CREATE INDEX items_by_manufacturer ON items (manufacturer_uuid);

    CREATE TABLE contacts (
        uuid BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        company TEXT NOT NULL DEFAULT '',
        email TEXT NOT NULL DEFAULT '',
        phone TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE interactions (
        uuid BLOB PRIMARY KEY,
        subject_uuid BLOB NOT NULL REFERENCES contacts ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('call', 'email', 'meeting', 'note')),
        summary TEXT NOT NULL DEFAULT '',
        happened_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX interactions_by_subject ON interactions (subject_uuid);

    CREATE TABLE interaction_parties (
        interaction_uuid BLOB NOT NULL REFERENCES interactions ON DELETE CASCADE,
        contact_uuid BLOB NOT NULL REFERENCES contacts ON DELETE CASCADE,
        PRIMARY KEY (interaction_uuid, contact_uuid)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX interaction_parties_by_contact ON interaction_parties (contact_uuid);
";

/// The table of links. Any program may write to it, so the table itself refuses a row that is no link. It is not `STRICT`:
/// such a table has no columns of JSON.
const LINKS: &str = "
    CREATE TABLE links (
        id INTEGER PRIMARY KEY,
        title TEXT NOT NULL,
        url TEXT NOT NULL,
        note TEXT NOT NULL DEFAULT '',
        tags JSON NOT NULL DEFAULT '[]',
        votes INTEGER NOT NULL DEFAULT 0,
        -- JavaScript has no larger whole numbers.
        CONSTRAINT \"an id is from 1 to 2^53 - 1\" CHECK (id BETWEEN 1 AND 9007199254740991),
        CONSTRAINT \"votes are from 0 to 2^53 - 1\"
            CHECK (typeof(votes) = 'integer' AND votes BETWEEN 0 AND 9007199254740991),
        CONSTRAINT \"a title is a text\" CHECK (typeof(title) = 'text' AND title <> ''),
        CONSTRAINT \"a url begins with http:// or https://\"
            CHECK (typeof(url) = 'text' AND (url GLOB 'http://?*' OR url GLOB 'https://?*')),
        CONSTRAINT \"a note is a text\" CHECK (typeof(note) = 'text'),
        CONSTRAINT \"tags are a list\" CHECK (typeof(tags) = 'text' AND json_type(tags) = 'array')
    );

    -- A constraint cannot look into the list.
    CREATE TRIGGER links_tags_of_new BEFORE INSERT ON links
    WHEN EXISTS (SELECT 1 FROM json_each(new.tags) WHERE type <> 'text')
    BEGIN SELECT RAISE(ABORT, 'each tag is a text'); END;
    CREATE TRIGGER links_tags BEFORE UPDATE OF tags ON links
    WHEN EXISTS (SELECT 1 FROM json_each(new.tags) WHERE type <> 'text')
    BEGIN SELECT RAISE(ABORT, 'each tag is a text'); END;
";

/// Opens the file. Creates the file and its folder if they do not exist, and fills a new database.
///
/// # Errors
/// A message that names the file and the remedy.
pub(crate) fn open(path: &Path) -> Result<Connection, String> {
    let fault = |error: &dyn std::fmt::Display| {
        format!("cannot open the database {}: {error}; name another file with --data", path.display())
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| fault(&error))?;
    }
    let connection = Connection::open(path).map_err(|error| fault(&error))?;
    prepare(connection).map_err(|error| fault(&error))
}

fn prepare(mut connection: Connection) -> Result<Connection, Box<dyn std::error::Error>> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(MIGRATIONS.len())?;
    if version > known {
        let reason = format!(
            "it has version {version}, but this program knows versions up to {known}: a newer program wrote it"
        );
        return Err(reason.into());
    }
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    if version == 0 {
        seed::fill(&transaction)?;
    }
    transaction.commit()?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn a_file_is_made_seeded_once_and_opened_again_as_it_was_left() {
        let folder = Folder::new();
        let path = folder.0.join("deeper/demo.sqlite");
        let people = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM people", [], |row| row.get(0)).unwrap()
        };

        let connection = open(&path).unwrap();
        assert!(people(&connection) > 3);
        connection.execute("DELETE FROM people", []).unwrap();
        drop(connection);

        assert_eq!(people(&open(&path).unwrap()), 0, "an emptied table is not seeded again");
    }

    #[test]
    fn a_file_of_an_older_program_gets_the_links_and_keeps_its_data() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection.execute_batch(outbox::sqlite::SCHEMA).unwrap();
        connection.pragma_update(None, "user_version", 2).unwrap();
        let connection = prepare(connection).unwrap();
        let count = |table: &str| -> i64 {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("links"), count("people")), (5, 0));
    }

    #[test]
    fn the_table_of_links_refuses_what_the_page_cannot_show() {
        let connection = prepare(Connection::open_in_memory().unwrap()).unwrap();
        for (change, reason) in [
            ("id = 0", "an id is from 1"),
            ("title = ''", "a title is a text"),
            ("title = x'41'", "a title is a text"),
            ("url = 'javascript:alert(1)'", "a url begins with http"),
            ("note = x'41'", "a note is a text"),
            ("note = NULL", "links.note"),
            ("tags = '{}'", "tags are a list"),
            ("tags = '[1]'", "each tag is a text"),
            ("tags = 'a, b'", "malformed JSON"),
            ("votes = 'many'", "votes are from 0"),
            ("votes = 9007199254740992", "votes are from 0"),
        ] {
            let error =
                connection.execute(&format!("UPDATE links SET {change} WHERE id = 1"), []).unwrap_err();
            assert!(error.to_string().contains(reason), "{change}: {error}");
        }
        let insert = "INSERT INTO links (title, url, tags) VALUES ('A', 'https://e.org', '[null]')";
        assert!(connection.execute(insert, []).unwrap_err().to_string().contains("each tag is a text"));
    }

    #[test]
    fn a_file_of_a_newer_program_is_refused_with_a_reason() {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(prepare(connection).unwrap_err().to_string().contains("a newer program"));
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_named_with_the_flag_that_changes_it() {
        let error = open(Path::new("/dev/null/demo.sqlite")).unwrap_err();
        assert!(error.contains("/dev/null/demo.sqlite") && error.contains("--data"), "{error}");
    }
}
