//! A table of SQLite, as the database describes it, and what triggers on it need: names, keys, and the rows that a new row
//! replaces.

#[cfg(test)]
pub(crate) mod random;

use rusqlite::{Connection, OptionalExtension};

/// A table of the database `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its name, as the database writes it.
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// A name of the row's number that no column has. `None` for a table `WITHOUT ROWID`.
    pub(crate) rowid: Option<&'static str>,
    uniques: Vec<Unique>,
    /// The unique indexes that no trigger can compare with a new row: of expressions, or of a part of a table `WITHOUT ROWID`.
    pub(crate) opaque_indexes: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The type that `CREATE TABLE` declares, or an empty text.
    pub(crate) declared: String,
    pub(crate) is_not_null: bool,
    pub(crate) is_in_key: bool,
    /// The default, as SQL that means the same everywhere.
    default: Option<String>,
}

/// The columns of a unique index, each with its collation. No two rows have the same values in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unique(Vec<(String, String)>);

/// Why a name is no table that triggers can watch.
#[derive(Debug)]
pub(crate) enum TableError {
    /// There is no table of that name.
    Missing,
    /// A view or a virtual table has no triggers after a write. The text is what it is.
    NoTable(
        #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "it serves the command line"))] String,
    ),
    /// Columns have all three names of the row's number.
    NoRowid,
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for TableError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Returns the names of the application's tables. Those of SQLite and of Tidings are none.
pub(crate) fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name",
    )?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    names.filter(|name| !name.as_ref().is_ok_and(|name| is_own(name))).collect()
}

fn is_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_") || name.starts_with("tidings_")
}

impl Table {
    /// Reads what the database knows of a table. Upper and lower case are the same in its name.
    ///
    /// # Errors
    /// There is no such table, it can't have the triggers, or the database can't be read.
    pub(crate) fn read(connection: &Connection, name: &str) -> Result<Self, TableError> {
        let found: Option<(String, String, bool)> = connection
            .query_row(
                "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
                [name],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let (name, kind, is_without_rowid) = found.ok_or(TableError::Missing)?;
        if kind != "table" || is_own(&name) {
            let kind = if kind == "table" { "own" } else { &kind };
            return Err(TableError::NoTable(kind.to_owned()));
        }
        let mut statement = connection.prepare(
            "SELECT name, type, \"notnull\", pk, dflt_value FROM pragma_table_xinfo(?1) ORDER BY cid",
        )?;
        let columns = statement.query_map([&name], |row| {
            Ok(Column {
                name: row.get(0)?,
                declared: row.get(1)?,
                is_not_null: row.get(2)?,
                is_in_key: row.get::<_, i64>(3)? > 0,
                default: row.get::<_, Option<String>>(4)?.map(|default| default_value(&default)),
            })
        })?;
        let columns = columns.collect::<rusqlite::Result<Vec<_>>>()?;
        let rowid = match is_without_rowid {
            true => None,
            false => Some(free_rowid(&columns).ok_or(TableError::NoRowid)?),
        };
        let mut table = Self { name, columns, rowid, uniques: Vec::new(), opaque_indexes: Vec::new() };
        table.read_uniques(connection)?;
        Ok(table)
    }

    fn read_uniques(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut indexes = connection
            .prepare("SELECT name, partial FROM pragma_index_list(?1) WHERE \"unique\" ORDER BY seq")?;
        let mut columns = connection
            .prepare("SELECT cid, name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno")?;
        let indexes = indexes.query_map([&self.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (index, is_partial) in indexes.collect::<rusqlite::Result<Vec<(String, bool)>>>()? {
            let columns = columns.query_map([&index], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?))
            })?;
            let columns = columns.collect::<rusqlite::Result<Vec<_>>>()?;
            let named: Option<Vec<(String, String)>> =
                columns.into_iter().map(|(_, name, collation)| Some((name?, collation))).collect();
            match named {
                // In a table with row numbers, a row that was not replaced is still there under its number.
                Some(named) if !is_partial || self.rowid.is_some() => self.uniques.push(Unique(named)),
                _ => self.opaque_indexes.push(index),
            }
        }
        Ok(())
    }

    /// Returns the columns of the primary key. Without one, they are none.
    pub(crate) fn key(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.is_in_key)
    }

    /// Returns the condition that a row `t` has a value that only one row may have, and the row NEW has it, too. `REPLACE`
    /// removes such rows, and runs no trigger of theirs. `None`: there is no such row.
    ///
    /// In a table with row numbers, the condition may hold for other rows, too. They are still there after the write.
    pub(crate) fn replaced_by_new(&self) -> Option<String> {
        let same = |(name, collation): &(String, String)| {
            let (column, new) = (identifier(name), self.new_value(name));
            match collation.as_str() {
                "BINARY" => format!("t.{column} = {new}"),
                _ => format!("t.{column} = {new} COLLATE {}", identifier(collation)),
            }
        };
        let by_number = self.rowid.map(|rowid| format!("t.{rowid} = NEW.{rowid}"));
        let by_index = self.uniques.iter().map(|Unique(columns)| {
            let same: Vec<String> = columns.iter().map(same).collect();
            if same.len() == 1 { same.concat() } else { format!("({})", same.join(" AND ")) }
        });
        let any: Vec<String> = by_number.into_iter().chain(by_index).collect();
        if any.is_empty() { None } else { Some(any.join(" OR ")) }
    }

    /// Returns the value of the new row in a trigger before the write. If a `NOT NULL` column has a default, `REPLACE` puts it in
    /// the place of a NULL, and does so after the trigger.
    fn new_value(&self, name: &str) -> String {
        let column = self.columns.iter().find(|column| column.name == name && column.is_not_null);
        let value = format!("NEW.{}", identifier(name));
        match column.and_then(|column| column.default.as_ref()) {
            Some(default) => format!("ifnull({value}, {default})"),
            None => value,
        }
    }

    /// Returns the condition that a row `t` is not the row OLD.
    pub(crate) fn is_not_old(&self) -> String {
        match self.rowid {
            Some(rowid) => format!("t.{rowid} <> OLD.{rowid}"),
            None => {
                let same = |column: &Column| {
                    let column = identifier(&column.name);
                    format!("t.{column} IS OLD.{column}")
                };
                format!("NOT ({})", self.key().map(same).collect::<Vec<_>>().join(" AND "))
            }
        }
    }
}

fn free_rowid(columns: &[Column]) -> Option<&'static str> {
    let is_free = |name: &&str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().find(is_free)
}

/// Returns a default as SQL that means the same in a trigger. A name is a text in `CREATE TABLE` only.
pub(crate) fn default_value(sql: &str) -> String {
    const WORDS: [&str; 6] = ["NULL", "TRUE", "FALSE", "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"];
    let is_quoted = |start: char, end: char| {
        let inside = sql.strip_prefix(start).and_then(|rest| rest.strip_suffix(end))?;
        let doubled = String::from_iter([end, end]);
        (!inside.replace(&doubled, "").contains(end)).then(|| inside.replace(&doubled, &end.to_string()))
    };
    let is_name = sql.chars().all(|char| char.is_alphanumeric() || "_$".contains(char) || !char.is_ascii())
        && !sql.starts_with(|char: char| char.is_ascii_digit());
    let quoted =
        [('"', '"'), ('`', '`'), ('[', ']')].into_iter().find_map(|(start, end)| is_quoted(start, end));
    match quoted {
        Some(text) => literal(&text),
        None if is_name && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(sql)) => literal(sql),
        None => format!("({sql})"),
    }
}

/// Quotes a name.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str, name: &str) -> Result<Table, TableError> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        Table::read(&connection, name)
    }

    #[test]
    fn a_new_row_replaces_the_rows_that_share_a_unique_value_with_it() {
        let sql = "CREATE TABLE \"my teams\"(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, a, b, UNIQUE(a, b));
                   CREATE UNIQUE INDEX half ON \"my teams\"(b) WHERE a > 0;
                   CREATE UNIQUE INDEX lower ON \"my teams\"(lower(name));";
        let table = read(sql, "MY TEAMS").unwrap();
        assert_eq!((table.name.as_str(), table.rowid), ("my teams", Some("rowid")));
        assert_eq!(table.opaque_indexes, ["lower"]);
        let condition = table.replaced_by_new().unwrap();
        for part in [
            "t.rowid = NEW.rowid",
            "t.\"name\" = NEW.\"name\" COLLATE \"NOCASE\"",
            "(t.\"a\" = NEW.\"a\" AND t.\"b\" = NEW.\"b\")",
            " OR t.\"b\" = NEW.\"b\"",
        ] {
            assert!(condition.contains(part), "{condition}");
        }
        let table = read("CREATE TABLE t(a, b, PRIMARY KEY(b, a)) WITHOUT ROWID", "t").unwrap();
        assert_eq!(table.replaced_by_new().unwrap(), "(t.\"b\" = NEW.\"b\" AND t.\"a\" = NEW.\"a\")");
        assert_eq!(table.is_not_old(), "NOT (t.\"a\" IS OLD.\"a\" AND t.\"b\" IS OLD.\"b\")");
    }

    #[test]
    fn views_own_tables_and_hidden_row_numbers_are_told_apart() {
        assert!(
            matches!(read("CREATE VIEW v AS SELECT 1", "v"), Err(TableError::NoTable(kind)) if kind == "view")
        );
        assert!(matches!(read("CREATE TABLE tidings_x(a)", "tidings_x"), Err(TableError::NoTable(_))));
        assert!(matches!(read("", "t"), Err(TableError::Missing)));
        assert_eq!(read("CREATE TABLE t(rowid, _ROWID_)", "t").unwrap().rowid, Some("oid"));
        assert!(matches!(read("CREATE TABLE t(rowid, _ROWID_, oid)", "t"), Err(TableError::NoRowid)));
    }

    #[test]
    fn a_null_stands_for_the_default_of_a_column_that_has_no_null() {
        let defaults = [
            "'it''s'",
            "\"say \"\"a\"\"\"",
            "[a b]",
            "`b`",
            "bare",
            "-7",
            "+1.5e3",
            "x'0a'",
            "TRUE",
            "null",
            "('a' || lower('B'))",
            "(NULL)",
            "CURRENT_DATE",
            "(coalesce(NULL, \"DQ\" = 1, 2))",
            "(1 + 1)",
        ];
        let mut checked = 0;
        for default in defaults {
            let sql =
                format!("CREATE TABLE t(id INTEGER PRIMARY KEY, a, c NOT NULL DEFAULT {default} UNIQUE)");
            let connection = Connection::open_in_memory().unwrap();
            if connection.execute_batch(&sql).is_err() {
                continue;
            }
            let condition = Table::read(&connection, "t").unwrap().replaced_by_new().unwrap();
            let trigger = format!(
                "CREATE TABLE found(id); CREATE TRIGGER before BEFORE INSERT ON t BEGIN \
                 INSERT INTO found SELECT t.id FROM t WHERE {condition}; END"
            );
            connection
                .execute_batch(&trigger)
                .unwrap_or_else(|error| panic!("{default}: {error}: {condition}"));
            if connection
                .execute_batch("INSERT INTO t(id) VALUES (1); REPLACE INTO t(id, c) VALUES (2, NULL)")
                .is_err()
            {
                // The default itself is NULL.
                continue;
            }
            let found: Vec<i64> = connection
                .prepare("SELECT id FROM found")
                .unwrap()
                .query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(found, [1], "{default}: {condition}");
            checked += 1;
        }
        assert_eq!(checked, 12, "three of them are NULL, or SQLite takes none of them");
        let nullable = read("CREATE TABLE t(id INTEGER PRIMARY KEY, a DEFAULT 7 UNIQUE)", "t").unwrap();
        assert!(!nullable.replaced_by_new().unwrap().contains("ifnull"), "a NULL stays");
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!((identifier("a\"b"), literal("it's")), ("\"a\"\"b\"".to_owned(), "'it''s'".to_owned()));
    }
}
