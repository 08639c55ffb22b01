//! Random statements of several connections on odd tables. When the writes stop, each page has what is in the table.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tidings_tests::{AppFile, Random, rounds};
use tokio::{runtime::Builder, time::timeout};

use super::{
    file, hub,
    page::{Got, Page},
    start,
};

/// Schedules of a usual run. They take 4 s, because most of the time is waiting: `cargo xtask soak bridge` runs more.
const SCHEDULES: usize = 300;

/// Schedules at a time.
const SIDE_BY_SIDE: usize = 12;

/// Statements of a schedule, at most.
const STATEMENTS: usize = 60;

/// A table `t` with columns `a` (texts that may be unique), `b` (integers) and `c` (anything), and with a key.
struct Odd {
    schema: &'static str,
    /// The columns of the key.
    key: &'static [&'static str],
    /// Values of each of them.
    values: &'static [&'static str],
}

const INTEGERS: &[&str] = &["1", "2", "3", "4", "9223372036854775807", "NULL"];
const TEXTS: &[&str] = &["'a'", "'A'", "'b'", "'ä'", "'x\"y'", "'7'"];
const BLOBS: &[&str] = &["x'00'", "x'0a'", "x'ff00'", "x''"];

const TABLES: [Odd; 10] = [
    Odd {
        schema: "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT, c)",
        key: &["id"],
        values: INTEGERS,
    },
    Odd {
        schema: "CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, a TEXT, b INT, c, UNIQUE(a, b))",
        key: &["id"],
        values: &["'a'", "'A'", "'b'", "'ä'", "'x\"y'", "'7'", "NULL"],
    },
    Odd {
        schema: "CREATE TABLE t(n INT, s TEXT, a TEXT UNIQUE ON CONFLICT REPLACE, b INT, c, PRIMARY KEY(s, n)) WITHOUT ROWID",
        key: &["n", "s"],
        values: TEXTS,
    },
    Odd {
        schema: "CREATE TABLE t(id BLOB PRIMARY KEY, a TEXT COLLATE NOCASE UNIQUE, b INT, c ANY) STRICT",
        key: &["id"],
        values: BLOBS,
    },
    Odd {
        schema: "CREATE TABLE t(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, a TEXT, b INT, c, d AS (a || b) STORED, e AS (lower(a))); \
            CREATE UNIQUE INDEX one ON t(lower(a), b) WHERE b < 3; CREATE UNIQUE INDEX two ON t(e) WHERE b > 2",
        key: &["id"],
        values: INTEGERS,
    },
    Odd {
        schema: "CREATE TABLE parent(p TEXT PRIMARY KEY); INSERT INTO parent VALUES ('a'), ('b'), ('c'), ('C'); \
            CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, b INT UNIQUE, c)",
        key: &["id"],
        values: INTEGERS,
    },
    Odd {
        schema: "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT, b INT, c, UNIQUE(b, a)); \
            CREATE TRIGGER own_insert AFTER INSERT ON t WHEN NEW.b = 1 BEGIN UPDATE t SET c = c || '+' WHERE id = NEW.id; END; \
            CREATE TRIGGER own_update BEFORE UPDATE OF a ON t BEGIN DELETE FROM t WHERE id = 'b' AND NEW.id <> 'b' AND NEW.b = 2; END; \
            CREATE TRIGGER own_delete AFTER DELETE ON t WHEN OLD.id = 'a' BEGIN INSERT OR REPLACE INTO t(id, a, b, c) VALUES ('A', OLD.a, OLD.b, 'again'); END",
        key: &["id"],
        values: TEXTS,
    },
    Odd {
        schema: "CREATE TABLE t(n INTEGER NOT NULL, s TEXT, a TEXT UNIQUE, b INT, c, rowid INT, PRIMARY KEY(n, s))",
        key: &["n", "s"],
        values: TEXTS,
    },
    // `REPLACE` takes the default for a NULL, after the triggers before the write.
    Odd {
        schema: "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT, b INT NOT NULL DEFAULT '2' UNIQUE, c)",
        key: &["id"],
        values: TEXTS,
    },
    Odd {
        schema: "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT NOT NULL DEFAULT (1 + 1), c, d AS (b - 1) UNIQUE); \
            CREATE UNIQUE INDEX one ON t(b + 1) WHERE b > 1",
        key: &["id"],
        values: INTEGERS,
    },
];

#[test]
fn when_the_writes_stop_each_page_has_what_is_in_the_table() {
    let (count, next) = (rounds(SCHEDULES), AtomicUsize::new(0));
    let only: Option<usize> = std::env::var("TIDINGS_SEED").ok().and_then(|seed| seed.parse().ok());
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                while let seed = next.fetch_add(1, Relaxed)
                    && seed < count
                {
                    if only.is_none_or(|only| only == seed) {
                        runtime.block_on(schedule(seed));
                    }
                }
            });
        }
    });
}

/// One schedule. Everything but the times follows from the seed.
async fn schedule(seed: usize) {
    let mut random = Random::new(seed as u64);
    let odd = &TABLES[random.below(TABLES.len())];
    let mode = random.one_of(&["wal", "wal", "delete"]);
    let file = file(mode, odd.schema);
    let mut writers = [writer(&file), writer(&file)];
    let mut log = vec![format!("TIDINGS_SEED={seed}, {mode}: {}", odd.schema)];
    let hub = hub();
    // Rows from before the bridge.
    for _ in 0..random.below(10) {
        write(&mut random, odd, &mut writers[0]);
    }
    end(&mut writers);
    let bridge = start(&hub, &file).await.unwrap_or_else(|error| panic!("{error}\n{log:#?}"));
    let mut page = Page::open(&hub, &file).await;
    for _ in 0..random.below(STATEMENTS) {
        let number = random.below(writers.len());
        let done = write(&mut random, odd, &mut writers[number]);
        log.push(format!("  {number}: {done}"));
        if random.below(10) == 0 {
            // The bridge reads in between, or it does not.
            tokio::time::sleep(Duration::from_millis(random.below(15) as u64)).await;
        }
        if random.below(60) == 0 {
            end(&mut writers);
            bridge.stop().await;
            log.push("the bridge is stopped, and starts again".to_owned());
            start(&hub, &file).await.unwrap_or_else(|error| panic!("{error}\n{log:#?}"));
        }
    }
    end(&mut writers);
    for number in [1, 2] {
        settle(&mut page, odd, &writers[0], number).await.unwrap_or_else(|error| panic!("{error}\n{log:#?}"));
    }
    page.assert_current(&format!("{log:#?}"));
}

fn writer(file: &AppFile) -> Connection {
    let connection = file.open();
    connection.busy_timeout(Duration::from_millis(2)).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON").unwrap();
    connection
}

/// Commits what is open.
fn end(writers: &mut [Connection]) {
    for writer in writers {
        if !writer.is_autocommit() && patiently(writer, "COMMIT").is_err() {
            writer.execute_batch("ROLLBACK").unwrap();
        }
    }
}

fn patiently(writer: &Connection, sql: &str) -> rusqlite::Result<()> {
    writer.busy_timeout(Duration::from_secs(15)).unwrap();
    let done = writer.execute_batch(sql);
    writer.busy_timeout(Duration::from_millis(2)).unwrap();
    done
}

/// Writes a row of its own, and touches it until the page gets its event. Everything that was written before has come then, up to
/// the gaps of the same read: those come before the next such row.
async fn settle(page: &mut Page, odd: &Odd, writer: &Connection, number: usize) -> Result<(), String> {
    let (id, last) = (1000 * number, format!("last {number}"));
    let key = if odd.values.contains(&"x'00'") { format!("x'{id:08}'") } else { id.to_string() };
    let (columns, keys) = (odd.key.join(", "), vec![key.as_str(); odd.key.len()].join(", "));
    let write = |sql: &str| patiently(writer, sql).map_err(|error| error.to_string());
    write(&format!("INSERT INTO t({columns}, a, b, c) VALUES ({keys}, NULL, {id}, '{last}')"))?;
    for _ in 0..40 {
        let came = async {
            while !matches!(page.try_next().await, Got::Event(_, Some(record)) if record["c"] == *last) {}
        };
        if timeout(Duration::from_millis(500), came).await.is_ok() {
            return Ok(());
        }
        // Its change may have become a gap.
        write(&format!("UPDATE t SET c = c WHERE c = '{last}'"))?;
    }
    Err("the last row never comes".to_owned())
}

/// Executes a random statement. It may fail: a constraint, a lock. Returns it, with the error.
fn write(random: &mut Random, odd: &Odd, writer: &mut Connection) -> String {
    let sql = statement(random, odd);
    let done = writer.execute_batch(&sql);
    if sql.starts_with("DROP") || sql.starts_with("ALTER") {
        // The bridge must find a table.
        if !writer.is_autocommit() {
            let _ = writer.execute_batch("ROLLBACK");
        }
    }
    match done {
        Ok(()) => sql,
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains("tidings"), "a trigger of the bridge breaks a write: {sql}: {error}");
            format!("{sql} -- {error}")
        }
    }
}

fn statement(random: &mut Random, odd: &Odd) -> String {
    let conflict = random.one_of(&[
        "",
        "OR REPLACE",
        "OR REPLACE",
        "OR REPLACE",
        "OR IGNORE",
        "OR FAIL",
        "OR ABORT",
        "OR ROLLBACK",
    ]);
    let key = |random: &mut Random| {
        let values: Vec<&str> = odd
            .key
            .iter()
            .map(|column| {
                if *column == "n" {
                    random.one_of(&["1", "2", "9007199254740993"])
                } else {
                    random.one_of(odd.values)
                }
            })
            .collect();
        values
    };
    let a = |random: &mut Random| random.one_of(&["'a'", "'b'", "'c'", "'C'", "NULL"]);
    let b = |random: &mut Random| random.one_of(&["1", "2", "3", "-9223372036854775808", "NULL"]);
    let c = |random: &mut Random| match random.below(4) {
        0 => format!("{}", random.next_u64() as i64),
        1 => format!("'text {}'", random.below(100)),
        2 => format!("x'{:04x}'", random.below(65_536)),
        _ => "0.5".to_owned(),
    };
    let row = |random: &mut Random| {
        format!("({}, {}, {}, {})", key(random).join(", "), a(random), b(random), c(random))
    };
    let columns = format!("{}, a, b, c", odd.key.join(", "));
    let condition = |random: &mut Random| match random.below(6) {
        0 => format!("a = {}", a(random)),
        1 => format!("b IS {}", b(random)),
        2 => "1".to_owned(),
        _ => {
            let key = key(random);
            let equal = odd.key.iter().zip(key).map(|(column, value)| format!("{column} IS {value}"));
            equal.collect::<Vec<_>>().join(" AND ")
        }
    };
    match random.below(42) {
        0..=7 => format!("INSERT {conflict} INTO t({columns}) VALUES {}", row(random)),
        8..=9 => format!(
            "INSERT {conflict} INTO t({columns}) VALUES {}, {}, {}",
            row(random),
            row(random),
            row(random)
        ),
        10 => format!(
            "INSERT INTO t({columns}) VALUES {} ON CONFLICT DO UPDATE SET c = 'upsert', b = excluded.b",
            row(random)
        ),
        11 => format!("INSERT INTO t({columns}) VALUES {} ON CONFLICT DO NOTHING", row(random)),
        12 => {
            format!("REPLACE INTO t({columns}) SELECT {}, {}, b, c FROM t", key(random).join(", "), a(random))
        }
        13..=16 => format!("UPDATE {conflict} t SET c = {} WHERE {}", c(random), condition(random)),
        17..=19 => format!(
            "UPDATE {conflict} t SET a = {}, b = {} WHERE {}",
            a(random),
            b(random),
            condition(random)
        ),
        20..=22 => {
            let set = odd.key.iter().zip(key(random)).map(|(column, value)| format!("{column} = {value}"));
            format!(
                "UPDATE {conflict} t SET {} WHERE {}",
                set.collect::<Vec<_>>().join(", "),
                condition(random)
            )
        }
        23..=24 => format!("DELETE FROM t WHERE {}", condition(random)),
        25 => "DELETE FROM t".to_owned(),
        26 => "BEGIN IMMEDIATE".to_owned(),
        27 => random.one_of(&["COMMIT", "ROLLBACK"]).to_owned(),
        28 => "SAVEPOINT s".to_owned(),
        29 => random.one_of(&["ROLLBACK TO s", "RELEASE s"]).to_owned(),
        30 => {
            random.one_of(&["PRAGMA recursive_triggers = ON", "PRAGMA recursive_triggers = OFF"]).to_owned()
        }
        31 => random
            .one_of(&[
                "DELETE FROM parent WHERE p = 'b'",
                "REPLACE INTO parent VALUES ('b')",
                "UPDATE OR REPLACE parent SET p = 'c' WHERE p = 'C'",
            ])
            .to_owned(),
        32 => random
            .one_of(&[
                "ALTER TABLE t ADD COLUMN more DEFAULT 'more'",
                "ALTER TABLE t DROP COLUMN more",
                "ALTER TABLE t RENAME COLUMN more TO other",
                "VACUUM",
            ])
            .to_owned(),
        33..=36 => format!(
            "UPDATE OR REPLACE t SET a = {}, b = {} WHERE {}",
            a(random),
            b(random),
            condition(random)
        ),
        37..=38 => format!(
            "UPDATE {conflict} t SET {0} = iif({0} = upper({0}), lower({0}), upper({0}))",
            odd.key.last().copied().unwrap_or_default()
        ),
        39 => {
            format!("REPLACE INTO t(oid, {columns}) SELECT oid, {}, a, b, c FROM t", key(random).join(", "))
        }
        40 => format!("UPDATE OR REPLACE t SET oid = oid + 1 WHERE {}", condition(random)),
        _ => {
            let indexes = odd
                .schema
                .split_once("; CREATE UNIQUE")
                .map_or(String::new(), |(_, rest)| format!("; CREATE UNIQUE{rest}"));
            let table = odd.schema.split(';').find(|part| part.contains("TABLE t(")).unwrap_or_default();
            format!(
                "SAVEPOINT again; CREATE TABLE old AS SELECT {columns} FROM t; DROP TABLE t; {table}{indexes}; INSERT INTO t({columns}) SELECT {columns} FROM old; UPDATE t SET c = 'again'; DROP TABLE old; RELEASE again"
            )
        }
    }
}
