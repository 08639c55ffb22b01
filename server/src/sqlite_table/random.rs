//! For tests: random writes to a table, of every kind that may remove or change rows. A seed decides all.

use rusqlite::Connection;
use uuid::Uuid;

/// Tables with unique columns of several kinds.
pub(crate) const TABLES: [&str; 6] = [
    "CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT UNIQUE)",
    "CREATE TABLE team(n INTEGER PRIMARY KEY, id TEXT UNIQUE, department TEXT, name TEXT, UNIQUE(name, department))",
    "CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT COLLATE NOCASE UNIQUE) WITHOUT ROWID",
    "CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT);
     CREATE UNIQUE INDEX half ON team(name) WHERE department IS NOT NULL",
    "CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT NOT NULL DEFAULT \"a\" UNIQUE)",
    "CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT COLLATE NOCASE NOT NULL DEFAULT (lower('B')) UNIQUE)
     WITHOUT ROWID",
];

/// Returns how many transactions a test runs for each table: 100, times the number in `TIDINGS_ROUNDS` if it is set.
pub(crate) fn rounds() -> usize {
    let times = std::env::var("TIDINGS_ROUNDS").ok().and_then(|times| times.parse().ok());
    100 * times.unwrap_or(1)
}

const CONFLICTS: [&str; 5] = ["ABORT", "FAIL", "IGNORE", "REPLACE", "REPLACE"];

/// A generator of writes.
#[derive(Debug)]
pub(crate) struct Random {
    state: u64,
    /// Whether an update may change the id of a row.
    pub(crate) renames: bool,
}

impl Random {
    pub(crate) fn new(seed: u64, renames: bool) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, renames }
    }

    fn below(&mut self, count: usize) -> usize {
        // The xorshift generator.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % count
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    fn id(&mut self) -> String {
        format!("'{}'", Uuid::from_u128(1 + self.below(5) as u128))
    }

    fn department(&mut self) -> String {
        match self.below(4) {
            0 => "NULL".to_owned(),
            number => format!("'{}'", Uuid::from_u128(100 + number as u128)),
        }
    }

    fn name(&mut self) -> &'static str {
        self.pick(&["'a'", "'A'", "'b'", "'c'", "NULL"])
    }

    fn row(&mut self) -> String {
        format!("({}, {}, {})", self.id(), self.department(), self.name())
    }

    fn condition(&mut self) -> String {
        match self.below(3) {
            0 => format!("id = {}", self.id()),
            1 => format!("name = {}", self.name()),
            _ => "true".to_owned(),
        }
    }

    fn statement(&mut self) -> String {
        let conflict = self.pick(&CONFLICTS);
        match self.below(8) {
            0..4 => {
                let (one, two) = (self.row(), self.row());
                format!("INSERT OR {conflict} INTO team(id, department, name) VALUES {one}, {two}")
            }
            4 => {
                let then = self.pick(&["NOTHING", "UPDATE SET department = excluded.department"]);
                format!("INSERT INTO team(id, department, name) VALUES {} ON CONFLICT DO {then}", self.row())
            }
            5 | 6 => {
                let change = match self.below(if self.renames { 3 } else { 2 }) {
                    0 => format!("department = {}", self.department()),
                    1 => format!("name = {}", self.name()),
                    _ => format!("id = {}", self.id()),
                };
                format!("UPDATE OR {conflict} team SET {change} WHERE {}", self.condition())
            }
            _ => format!("DELETE FROM team WHERE {}", self.condition()),
        }
    }

    /// Writes in one transaction, and commits it. Some statements fail, and some are rolled back. Returns the SQL.
    pub(crate) fn transaction(&mut self, connection: &Connection) -> String {
        let mut all = String::new();
        let mut run = |sql: &str| {
            all += &format!("{sql}; ");
            connection.execute_batch(sql).is_ok()
        };
        assert!(run("BEGIN"));
        for _ in 0..=self.below(3) {
            let statement = self.statement();
            if self.below(5) == 0 {
                assert!(run("SAVEPOINT s"));
                run(&statement);
                assert!(run("ROLLBACK TO s; RELEASE s"));
            } else {
                // Some statements fail: they break a constraint.
                run(&statement);
            }
        }
        assert!(run("COMMIT"));
        all
    }
}
