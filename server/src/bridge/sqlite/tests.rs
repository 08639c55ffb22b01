//! What the triggers note, and how rows look as records. One connection has the file, the bridge and the application.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use rusqlite::{Connection, params_from_iter};

use super::{
    record,
    registration::{Flow, Registration},
    store::{self, Change},
    table::Fault,
    triggers::{MAX_WAITING, changes},
};

/// A database with a table that has a bridge.
struct Bridged {
    connection: Connection,
    flow: Flow,
    registration: Registration,
}

impl Bridged {
    /// Makes tables. The bridge is for the first one that this names, `t`, or for the given one.
    #[track_caller]
    fn new(table: &str, schema: &str) -> Self {
        let (mut connection, flow) = (database(schema), flow(table));
        let registration = Registration::install(&mut connection, &flow).unwrap();
        let mut bridged = Self { connection, flow, registration };
        assert_eq!(bridged.noted(), ["gap"], "a bridge begins with a gap");
        bridged
    }

    /// Runs statements, and returns the keys that were noted.
    #[track_caller]
    fn run(&mut self, sql: &str) -> Vec<String> {
        self.connection.execute_batch(sql).unwrap();
        self.noted()
    }

    /// Takes the keys that were noted.
    #[track_caller]
    fn noted(&mut self) -> Vec<String> {
        let all = self.changes();
        let delete = format!("DELETE FROM {}", changes(self.registration.id));
        self.connection.execute(&delete, []).unwrap();
        all.into_iter().map(|change| change.key.map_or("gap".to_owned(), |(text, _)| text)).collect()
    }

    #[track_caller]
    fn changes(&self) -> Vec<Change> {
        store::read_changes(&self.connection, &self.registration, i64::MIN, usize::MAX).unwrap()
    }

    /// Looks at the registration again, as the reader does when the schema has changed. Returns whether it had to be mended.
    #[track_caller]
    fn mend(&mut self) -> bool {
        let is_right = Registration::find(&self.connection, &self.flow).unwrap().is_some();
        self.registration = Registration::install(&mut self.connection, &self.flow).unwrap();
        !is_right
    }

    /// Returns the records of the last noted change of each key, with the key.
    #[track_caller]
    fn records(&self) -> Vec<(String, String)> {
        let table = &self.registration.table;
        let keys = self.changes().into_iter().filter_map(|change| change.key);
        let mut records: Vec<_> = keys
            .map(|(key, values)| {
                let mut select = self.connection.prepare(&self.registration.sql.record).unwrap();
                let found = select.query_row(params_from_iter(&values), |row| record::json(row, table));
                let text = match found {
                    Ok(Ok(json)) => json,
                    Ok(Err(why)) => why,
                    Err(rusqlite::Error::QueryReturnedNoRows) => "deleted".to_owned(),
                    Err(error) => panic!("{key}: {error}"),
                };
                (key, text)
            })
            .collect();
        records.sort();
        records.dedup();
        records
    }
}

fn database(schema: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(schema).unwrap();
    connection
}

fn flow(table: &str) -> Flow {
    let [tenant, schema, topic, table] = ["acme", "t", "store:t", table].map(str::to_owned);
    Flow { tenant, schema, topic, table }
}

#[test]
fn a_row_that_goes_for_the_default_of_a_null_is_noted() {
    let mut t = Bridged::new(
        "t",
        "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT NOT NULL DEFAULT 'none' UNIQUE COLLATE NOCASE, b INT NOT NULL DEFAULT (1 + 1)); \
         CREATE UNIQUE INDEX one ON t(-b) WHERE b > 0",
    );
    assert_eq!(t.run("INSERT INTO t VALUES ('x', 'NONE', 1), ('y', 'y', 2)"), ["x", "y"]);
    let mut noted = t.run("REPLACE INTO t VALUES ('z', NULL, NULL)");
    noted.sort();
    assert_eq!(noted, ["x", "y", "z"]);
    assert_eq!(t.run("INSERT INTO t VALUES ('x', 'x', 1)"), ["x"]);
    assert_eq!(t.run("UPDATE OR REPLACE t SET b = NULL WHERE id = 'x'"), ["z", "x"]);
    // Nobody knows what follows from the default, so a gap stands for it.
    let mut t = Bridged::new(
        "t",
        "CREATE TABLE t(id TEXT PRIMARY KEY, a INT NOT NULL DEFAULT 5, b INT AS (a + 1) UNIQUE, c INT NOT NULL)",
    );
    assert_eq!(t.run("INSERT INTO t(id, c) VALUES ('x', 0)"), ["x"]);
    assert_eq!(t.run("REPLACE INTO t VALUES ('y', NULL, 0)"), ["gap", "y"]);
}

#[test]
fn each_change_notes_its_key_and_what_is_rolled_back_notes_nothing() {
    let mut t = Bridged::new("t", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)");
    assert_eq!(t.run("INSERT INTO t(name) VALUES ('a'), ('b'), ('c')"), ["1", "2", "3"]);
    assert_eq!(t.run("UPDATE t SET name = 'd' WHERE id > 1"), ["2", "3"]);
    assert_eq!(t.run("UPDATE t SET id = 7 WHERE id = 3"), ["3", "7"]);
    assert_eq!(t.run("UPDATE t SET rowid = 8 WHERE id = 7"), ["7", "8"]);
    assert_eq!(t.run("BEGIN; DELETE FROM t; ROLLBACK"), [""; 0]);
    let savepoints = "BEGIN; INSERT INTO t VALUES (10, 'x'); SAVEPOINT s; INSERT INTO t VALUES (11, 'y'); \
        ROLLBACK TO s; INSERT INTO t VALUES (12, 'z'); COMMIT";
    assert_eq!(t.run(savepoints), ["10", "12"]);
    assert_eq!(
        t.run("INSERT INTO t VALUES (1, 'e') ON CONFLICT(id) DO UPDATE SET name = excluded.name"),
        ["1"]
    );
    assert_eq!(t.run("INSERT OR REPLACE INTO t VALUES (1, 'f')"), ["1"]);
    assert_eq!(t.run("INSERT OR IGNORE INTO t VALUES (1, 'g')"), [""; 0]);
    assert_eq!(t.run("UPDATE OR REPLACE t SET id = 1 WHERE id = 2"), ["2", "1"]);
    // This one has no condition, and SQLite would empty the table at once if there was no trigger.
    assert_eq!(t.run("DELETE FROM t"), ["1", "8", "10", "12"]);
}

#[test]
fn a_row_that_a_replace_removes_is_noted_by_each_unique_index() {
    let mut t = Bridged::new(
        "t",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE, a, b, c TEXT, \
           low TEXT GENERATED ALWAYS AS (lower(c)) VIRTUAL, UNIQUE(a, b)); \
         CREATE UNIQUE INDEX odd ON t(coalesce(a, ',)') DESC, /* ) */ abs(b)) WHERE c = 'odd)'; \
         CREATE UNIQUE INDEX low ON t(low)",
    );
    t.run("INSERT INTO t(id, email, a, b, c) VALUES (1, 'X', 1, 1, 'one'), (2, 'y', 2, 2, 'odd)')");
    assert_eq!(
        t.run("REPLACE INTO t(id, email) VALUES (5, 'x')"),
        ["1", "5"],
        "by the collation of the index"
    );
    t.run("INSERT INTO t(id, a, b) VALUES (6, 6, 6)");
    assert_eq!(t.run("REPLACE INTO t(id, a, b) VALUES (7, 6, 6)"), ["6", "7"], "by two columns");
    assert_eq!(t.run("REPLACE INTO t(id, a, b) VALUES (8, NULL, 6)"), ["8"], "NULL is equal to nothing");
    assert_eq!(
        t.run("REPLACE INTO t(id, a, b, c) VALUES (9, 2, -2, 'odd)')"),
        ["2", "2", "9"],
        "by expressions"
    );
    t.run("INSERT INTO t(id, c) VALUES (10, 'Ten')");
    assert_eq!(t.run("REPLACE INTO t(id, c) VALUES (11, 'tEN')"), ["10", "11"], "by a generated column");
    let update = "UPDATE OR REPLACE t SET c = 'TEN' WHERE id = 9";
    assert_eq!(t.run(update), ["11", "9"]);
    assert_eq!(t.run("UPDATE OR REPLACE t SET email = 'q' WHERE id = 5"), ["5"]);
    assert_eq!(t.run("UPDATE OR REPLACE t SET email = 'Q' WHERE id = 9"), ["5", "9"]);
    let left = t
        .connection
        .query_row("SELECT group_concat(id) FROM (SELECT id FROM t ORDER BY id)", [], |row| {
            row.get::<_, String>(0)
        })
        .unwrap();
    assert_eq!(left, "7,8,9", "the test is about rows that were removed");
}

#[test]
fn keys_of_other_forms_are_noted_as_they_are() {
    let mut t = Bridged::new("t", "CREATE TABLE t(a TEXT, n INT, v, PRIMARY KEY(n, a)) WITHOUT ROWID");
    assert_eq!(
        t.run("INSERT INTO t VALUES ('x\"y', 9223372036854775807, 1)"),
        [r#"[9223372036854775807,"x\"y"]"#]
    );
    assert_eq!(
        t.run("REPLACE INTO t VALUES ('x\"y', 9223372036854775807, 2)"),
        [r#"[9223372036854775807,"x\"y"]"#]
    );
    assert_eq!(t.run("UPDATE t SET a = 'z', n = 1"), [r#"[9223372036854775807,"x\"y"]"#, r#"[1,"z"]"#]);

    let mut t = Bridged::new("t", "CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, v)");
    assert_eq!(t.run("INSERT INTO t VALUES ('a', 1)"), ["a"]);
    assert_eq!(t.run("UPDATE t SET id = 'A'"), ["a", "A"], "the case is a part of the key");
    assert_eq!(t.run("REPLACE INTO t VALUES ('a', 2)"), ["A", "a"]);
    assert_eq!(
        t.run("REPLACE INTO t(_rowid_, id) SELECT _rowid_, 'other' FROM t"),
        ["a", "other"],
        "by the rowid"
    );
    assert_eq!(t.run("INSERT INTO t VALUES (NULL, 1), (NULL, 2); DELETE FROM t WHERE id IS NULL").len(), 4);
    t.connection
        .execute_batch("INSERT INTO t VALUES (NULL, 3), (x'00', 4), (cast(x'ff' AS TEXT), 5)")
        .unwrap();
    t.connection.execute("INSERT INTO t VALUES (?1, 6)", ["k".repeat(1025)]).unwrap();
    assert_eq!(t.noted(), ["gap"; 4], "nobody can tell these keys");
    let long = "k".repeat(1024);
    t.connection.execute("INSERT INTO t VALUES (?1, 7)", [&long]).unwrap();
    assert_eq!(t.noted(), [long]);

    let mut t = Bridged::new(
        "t",
        "CREATE TABLE t(id BLOB PRIMARY KEY, v) STRICT, WITHOUT ROWID".replace(", v)", ", v ANY)").as_str(),
    );
    assert_eq!(t.run("INSERT INTO t VALUES (x'00fFA0', 1)"), ["00ffa0"]);
    let mut t = Bridged::new("t", "CREATE TABLE t(id REAL PRIMARY KEY, v)");
    assert_eq!(t.run("INSERT INTO t VALUES (1, 1), (0.1, 1), (9e999, 1)"), ["1.0", "0.1", "gap"]);
    let mut t = Bridged::new("t", "CREATE TABLE t(id UUID PRIMARY KEY, v)");
    assert_eq!(
        t.run("INSERT INTO t VALUES ('0198c0de-0000-7000-8000-00000000002a', 1), (' 7 ', 1)").last().unwrap(),
        "7"
    );
}

#[test]
fn odd_names_and_tables_that_belong_together_work() {
    let mut t = Bridged::new(
        "Odd \"table\"",
        "CREATE TABLE \"odd \"\"table\"\"\"(\"a key\"\"\" INTEGER PRIMARY KEY, \"select\" UNIQUE, rowid, oid)",
    );
    assert_eq!(t.run("INSERT INTO \"odd \"\"table\"\"\" VALUES (1, 's', 5, 6)"), ["1"]);
    assert_eq!(t.run("REPLACE INTO \"odd \"\"table\"\"\" VALUES (2, 's', 5, 6)"), ["1", "2"]);

    let mut t = Bridged::new(
        "t",
        "PRAGMA foreign_keys = ON; CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT UNIQUE); \
         CREATE TABLE t(id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL, n INT DEFAULT 0); \
         CREATE TRIGGER own AFTER UPDATE ON t BEGIN UPDATE t SET n = n + 1 WHERE id = NEW.id; END; \
         CREATE TRIGGER own2 AFTER INSERT ON t WHEN NEW.id < 100 BEGIN INSERT INTO t(id) VALUES (NEW.id + 100); END; \
         INSERT INTO parent VALUES (1, 'p'), (2, 'q')",
    );
    assert_eq!(
        t.run("INSERT INTO t(id, parent) VALUES (1, 1), (2, 1), (3, 2)"),
        ["1", "101", "2", "102", "3", "103"]
    );
    let mut updated = t.run("UPDATE t SET parent = 2 WHERE id = 1");
    updated.dedup();
    assert_eq!(updated, ["1"]);
    assert_eq!(t.run("DELETE FROM parent WHERE id = 1"), ["2"]);
    assert_eq!(
        t.run("REPLACE INTO parent VALUES (2, 'r')"),
        ["1", "3"],
        "the parent's REPLACE reaches its children"
    );
    t.run("INSERT INTO t(id, parent) VALUES (4, 2)");
    assert!(t.run("UPDATE parent SET id = 9 WHERE id = 2").contains(&"4".to_owned()));
}

#[test]
fn a_record_is_the_row_as_json() {
    let t = Bridged::new(
        "t",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, n, \"an odd \"\"name\" TEXT, b BLOB, j JSON, is_on BOOLEAN, g AS (n + 1), s AS (b) STORED)",
    );
    t.connection
        .execute_batch(
            "INSERT INTO t VALUES (1, 9007199254740993, 'ä\"\n', x'00FF', '{\"a\": [1.50, 12345678901234567890]}', 1); \
             INSERT INTO t VALUES (2, 0.1, NULL, 'text', jsonb('{\"b\":true}'), 0); \
             INSERT INTO t VALUES (3, 9e999, cast(x'ff' AS TEXT), NULL, NULL, NULL); \
             INSERT INTO t VALUES (4, -9e999, 1, 1, 'no JSON', 2); \
             INSERT INTO t VALUES (5, -9e999, 1, 1, '\"text\"', 2); \
             INSERT INTO t VALUES (6, 1e300, 1, 1, x'ff', 'maybe'); \
             INSERT INTO t(id) VALUES (7); DELETE FROM t WHERE id = 7",
        )
        .unwrap();
    let records: Vec<_> = t.records().into_iter().map(|(_, record)| record).collect();
    assert_eq!(
        records,
        [
            r#"{"id":1,"n":9007199254740993,"an odd \"name":"ä\"\n","b":"00ff","j":{"a": [1.50, 12345678901234567890]},"is_on":true,"g":9007199254740994,"s":"00ff"}"#,
            r#"{"id":2,"n":0.1,"an odd \"name":null,"b":"text","j":{"b":true},"is_on":false,"g":1.1,"s":"text"}"#,
            "the column `an odd \"name` has a text that is not UTF-8",
            "the column `j` is declared as JSON, and its text is no JSON",
            r#"{"id":5,"n":"-Infinity","an odd \"name":"1","b":1,"j":"text","is_on":2,"g":"-Infinity","s":1}"#,
            r#"{"id":6,"n":1e+300,"an odd \"name":"1","b":1,"j":"ff","is_on":"maybe","g":1e+300,"s":1}"#,
            "deleted",
        ]
    );
}

#[test]
fn a_table_whose_changes_cannot_be_told_is_refused_with_the_remedy() {
    for (schema, reason) in [
        ("CREATE VIEW t AS SELECT 1 AS id", "name its table"),
        ("CREATE VIRTUAL TABLE t USING fts5(a)", "virtual table"),
        ("CREATE TABLE t(a, b)", "PRIMARY KEY"),
        ("CREATE TABLE t(id PRIMARY KEY)", "without a type"),
        ("CREATE TABLE t(a TEXT, b ANY, PRIMARY KEY(a, b)) STRICT", "`b`"),
    ] {
        match Registration::install(&mut database(schema), &flow("t")) {
            Err(Fault::Refused(why)) => assert!(why.contains(reason), "{schema}: {why}"),
            other => panic!("{schema}: {other:?}"),
        }
    }
    let own = "CREATE TABLE tidings_outbox(id INTEGER PRIMARY KEY)";
    assert!(matches!(
        Registration::install(&mut database(own), &flow("Tidings_Outbox")),
        Err(Fault::Refused(_))
    ));
    assert!(matches!(Registration::install(&mut database(""), &flow("t")), Err(Fault::Missing(_))));

    // As an application makes it that has this collation.
    let mut connection = database(
        "CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY); PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'ours'); PRAGMA writable_schema = RESET",
    );
    let refused = Registration::install(&mut connection, &flow("t"));
    assert!(matches!(refused, Err(Fault::Refused(why)) if why.contains("ours")));
    let left: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tidings%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "a refusal leaves nothing in the file");
}

#[test]
fn a_table_that_has_changed_gets_its_triggers_again_and_a_gap() {
    let mut t =
        Bridged::new("t", "CREATE TABLE t(id INTEGER PRIMARY KEY, email TEXT UNIQUE); CREATE TABLE other(a)");
    assert!(!t.mend(), "nothing has changed");
    t.run("CREATE TABLE another(a); CREATE INDEX i ON t(email)");
    assert!(!t.mend(), "others have changed");
    for change in [
        "ALTER TABLE t ADD COLUMN age INT DEFAULT 1",
        "ALTER TABLE t RENAME COLUMN email TO mail",
        "CREATE UNIQUE INDEX low ON t(lower(mail))",
        "ALTER TABLE t DROP COLUMN age",
        "CREATE UNIQUE INDEX j ON t(mail) WHERE mail > 'a'",
        "DROP TABLE t; CREATE TABLE t(mail TEXT, id INTEGER PRIMARY KEY)",
        "DROP TABLE t; CREATE TABLE t(id TEXT, v INT, PRIMARY KEY(id, v))",
        "ALTER TABLE t RENAME TO old; CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT)",
        "DROP TRIGGER tidings_bridge_1_insert",
    ] {
        t.run(change);
        assert!(t.mend(), "{change}");
        assert_eq!(t.noted(), ["gap"], "{change}");
        assert!(!t.mend(), "{change}");
    }
    assert_eq!(
        t.run("INSERT INTO old VALUES ('x', 1); INSERT INTO t VALUES (4, 'a'); DELETE FROM t"),
        ["4", "4"]
    );
    t.connection.execute_batch("DROP TABLE t").unwrap();
    assert!(matches!(Registration::find(&t.connection, &t.flow), Err(Fault::Missing(_))));
}

#[test]
fn a_migration_may_drop_the_trigger_that_names_its_column() {
    let mut t =
        Bridged::new("t", "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE UNIQUE INDEX i ON t(a)");
    t.run("ALTER TABLE t DROP COLUMN b");
    assert!(t.mend());
    let migrate = "BEGIN; DROP INDEX i; ALTER TABLE t DROP COLUMN a; COMMIT";
    let error = t.connection.execute_batch(migrate).unwrap_err().to_string();
    assert!(error.contains("tidings_bridge_1_"), "SQLite names the trigger: {error}");
    let dropped = "DROP TRIGGER tidings_bridge_1_replace; DROP TRIGGER tidings_bridge_1_update_or_replace; \
        ALTER TABLE t DROP COLUMN a; COMMIT";
    t.connection.execute_batch(dropped).unwrap();
    assert!(t.mend());
    t.noted();
    assert_eq!(t.run("INSERT INTO t VALUES (1)"), ["1"]);
}

#[test]
fn a_bridge_that_is_removed_leaves_the_other_ones_and_no_trigger() {
    let mut t = Bridged::new("t", "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    let other = Flow { topic: "store:other".to_owned(), ..t.flow.clone() };
    let other_one = Registration::install(&mut t.connection, &other).unwrap();
    assert_ne!(other_one.id, t.registration.id);
    t.run("INSERT INTO t VALUES (1)");
    Registration::remove(&mut t.connection, &other).unwrap();
    Registration::remove(&mut t.connection, &other).unwrap();
    assert_eq!(t.run("INSERT INTO t VALUES (2)"), ["2"]);
    Registration::remove(&mut t.connection, &t.flow).unwrap();
    t.connection.execute_batch("INSERT INTO t VALUES (3)").unwrap();
    let left: i64 = t
        .connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tidings_changes%' OR type = 'trigger'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn the_table_of_changes_is_bounded_and_a_gap_stands_for_the_oldest() {
    let t = Bridged::new("t", "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    let insert = |from: i64, count: i64| {
        format!(
            "WITH RECURSIVE n(id) AS (SELECT {from} UNION ALL SELECT id + 1 FROM n LIMIT {count}) INSERT INTO t SELECT id FROM n"
        )
    };
    t.connection.execute_batch(&insert(1, MAX_WAITING)).unwrap();
    assert!(t.changes().iter().all(|change| change.key.is_some()));
    t.connection.execute_batch(&insert(MAX_WAITING + 1, 10)).unwrap();
    let changes = t.changes();
    assert!(changes[0].key.is_none(), "the oldest row is the gap");
    assert!(changes.len() as i64 <= MAX_WAITING + 1, "{}", changes.len());
    assert_eq!(changes.last().unwrap().key.as_ref().unwrap().0, (MAX_WAITING + 10).to_string());
    t.connection.execute_batch(&insert(MAX_WAITING + 20, 10)).unwrap();
    assert_ne!(t.changes()[0].id, changes[0].id, "a gap of rows that were lost later is another one");
    // The application's conflict clause is that of the triggers, too.
    t.connection.execute_batch(&insert(MAX_WAITING + 40, 10).replace("INSERT", "INSERT OR IGNORE")).unwrap();
    assert!(t.changes()[0].key.is_none());
    assert_eq!(t.changes().last().unwrap().key.as_ref().unwrap().0, (MAX_WAITING + 49).to_string());
}
