//! Random schedules: writers with open transactions on the same rows, and two nodes that read changes and append them some
//! time later. When all is done, the last event of each record must be the record.
//!
//! A node is the two calls that it makes, so a schedule decides what comes between them. A writer never waits for a lock: it
//! rolls back instead.

use std::collections::BTreeMap;

use ::postgres::{Client as Database, error::SqlState};
use serde_json::Value;
use tidings_tests::{Random, postgres::connect, rounds};
use uuid::Uuid;

use super::new_journal;

/// Schedules of the suite. They take some 10 s.
const SCHEDULES: usize = 500;

/// Steps of a schedule, each of a random writer or node.
const STEPS: usize = 32;

const WRITERS: usize = 3;
const NODES: usize = 2;

/// The records of one schedule.
const KEYS: u64 = 2;

/// Transactions may insert a key that another one has not deleted yet. A trigger of the application writes to the row again,
/// before the bridge's own trigger has seen the first write.
const TABLE: &str = "
    CREATE TABLE links(id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v bigint, w bigint);
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.v % 3 = 0 AND pg_trigger_depth() = 1 THEN
        UPDATE links SET w = NEW.v WHERE id = NEW.id;
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER a_touch AFTER INSERT OR UPDATE ON links FOR EACH ROW EXECUTE FUNCTION touch();
    SELECT tidings.bridge('links');
    SELECT tidings.start_bridge(1, 'acme', 'links', 'store:links', gen_random_uuid(), 600000);";

#[test]
fn the_last_event_of_each_record_is_the_record_whatever_the_order_of_writers_and_nodes() {
    let mut world = World::new();
    for seed in 0..rounds(SCHEDULES) as u64 {
        assert_eq!(world.run(seed), Ok(()), "seed {seed}");
    }
}

#[test]
fn the_schedules_find_a_node_that_appends_what_it_has_read_before() {
    let mut world = World::new();
    world.change("sequence_changes", &[("d.payload = r.payload", "true")]);
    assert!((0..SCHEDULES as u64).any(|seed| world.run(seed).is_err()));
}

#[test]
fn the_schedules_find_a_trigger_that_copies_records() {
    let mut world = World::new();
    world.database.batch_execute("ALTER TABLE tidings.changes ADD copy text").unwrap();
    world.change(
        "changed_1",
        &[(
            "(bridge, key) VALUES (1, new_key)",
            "(bridge, key, copy) VALUES (1, new_key, row_to_json(NEW.*)::text)",
        )],
    );
    world.change(
        "read_changes",
        &[
            ("SELECT c.id, c.nonce, c.key, c.at", "SELECT c.copy, c.id, c.nonce, c.key, c.at"),
            ("max(f.at) AS at", "max(f.at) AS at, (array_agg(f.copy ORDER BY f.id DESC))[1] AS copy"),
            (
                "r.payload, r.is_deleted, r.bytes, r.fault,",
                "'{\"schema\":\"links\",\"key\":' || to_json(g.key) || coalesce(',\"record\":' || g.copy, '') || '}' AS payload, \
                 r.is_deleted, r.bytes, r.fault,",
            ),
        ],
    );
    world.change("sequence_changes", &[("d.payload = r.payload", "true")]);
    assert!((0..SCHEDULES as u64).any(|seed| world.run(seed).is_err()));
}

struct World {
    database: Database,
    writers: Vec<Writer>,
    nodes: Vec<Node>,
    /// The next value of a row.
    value: u64,
}

struct Writer {
    database: Database,
    is_open: bool,
    has_savepoint: bool,
}

struct Node {
    database: Database,
    id: Uuid,
    /// What it has read and not appended yet.
    read: Vec<Change>,
}

struct Change {
    key: Option<String>,
    ids: Vec<i64>,
    nonces: Vec<Uuid>,
    payload: Option<String>,
}

impl World {
    fn new() -> Self {
        let url = new_journal();
        let mut database = connect(&url);
        database.batch_execute(TABLE).unwrap();
        let writer = |_| {
            let mut database = connect(&url);
            database.batch_execute("SET lock_timeout = '1ms'").unwrap();
            Writer { database, is_open: false, has_savepoint: false }
        };
        let node = |_| Node { database: connect(&url), id: Uuid::now_v7(), read: Vec::new() };
        Self {
            database,
            writers: (0..WRITERS).map(writer).collect(),
            nodes: (0..NODES).map(node).collect(),
            value: 0,
        }
    }

    /// Changes the text of a function of the bridge.
    fn change(&mut self, function: &str, changes: &[(&str, &str)]) {
        let definition = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'tidings'::regnamespace \
            AND proname = $1";
        let mut text: String = self.database.query_one(definition, &[&function]).unwrap().get(0);
        for (from, to) in changes {
            assert!(text.contains(from), "{function} has no {from:?}");
            text = text.replace(from, to);
        }
        self.database.batch_execute(&text).unwrap();
    }

    /// Runs a schedule. The error says which record differs from its last event.
    fn run(&mut self, seed: u64) -> Result<(), String> {
        let mut random = Random::new(seed);
        let first_key = 10 * seed;
        let newest = "SELECT coalesce(max(number), 0) FROM tidings.log";
        let newest: i64 = self.database.query_one(newest, &[]).unwrap().get(0);
        self.database.batch_execute(&format!("INSERT INTO links VALUES ({first_key}, 1)")).unwrap();
        for _ in 0..STEPS {
            match random.below(WRITERS + NODES) {
                writer if writer < WRITERS => self.write(writer, first_key, &mut random),
                node => self.nodes[node - WRITERS].step(&mut random),
            }
        }
        for writer in &mut self.writers {
            writer.end(if random.below(4) == 0 { "ROLLBACK" } else { "COMMIT" });
        }
        // One of them may append last what it has read long ago.
        loop {
            self.nodes[random.below(NODES)].step(&mut random);
            let is_idle = self.nodes.iter().all(|node| node.read.is_empty());
            let waiting = "SELECT count(*) FROM tidings.changes";
            if is_idle && self.database.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0 {
                break;
            }
        }
        self.check(newest, first_key)
    }

    fn write(&mut self, writer: usize, first_key: u64, random: &mut Random) {
        self.value += 1;
        let (key, value) = (first_key + random.next_u64() % KEYS, self.value);
        let other = first_key + (key + 1 - first_key) % KEYS;
        let writer = &mut self.writers[writer];
        match random.below(12) {
            0 | 1 => writer.execute(&format!("UPDATE links SET v = {value} WHERE id = {key}")),
            2 | 3 => writer.execute(&format!("DELETE FROM links WHERE id = {key}")),
            4..=6 => writer.execute(&format!("INSERT INTO links VALUES ({key}, {value})")),
            7 => writer.execute(&format!("UPDATE links SET id = {other} WHERE id = {key}")),
            8 if writer.is_open => {
                let savepoint = if writer.has_savepoint { "ROLLBACK TO s" } else { "SAVEPOINT s" };
                writer.execute(savepoint);
                writer.has_savepoint = true;
            }
            8..=10 => writer.end("COMMIT"),
            _ => writer.end("ROLLBACK"),
        }
    }

    /// Compares the records with their last events.
    fn check(&mut self, newest: i64, first_key: u64) -> Result<(), String> {
        let entries =
            "SELECT payload FROM tidings.log WHERE number > $1 AND payload IS NOT NULL ORDER BY number";
        let mut last = BTreeMap::new();
        for entry in self.database.query(entries, &[&newest]).unwrap() {
            let payload: Value = serde_json::from_str(entry.get(0)).unwrap();
            let key: u64 = payload["key"].as_str().unwrap().parse().unwrap();
            last.insert(key, payload["record"].clone());
        }
        for key in first_key..first_key + KEYS {
            let record = "SELECT row_to_json(links.*)::text FROM links WHERE id = $1";
            let record = self.database.query_opt(record, &[&key.cast_signed()]).unwrap();
            let record = record.map_or(Value::Null, |row| serde_json::from_str(row.get(0)).unwrap());
            let event = last.remove(&key).unwrap_or_default();
            if event != record {
                return Err(format!("the record {key} is {record}, and its last event says {event}"));
            }
        }
        Ok(())
    }
}

impl Writer {
    fn execute(&mut self, statement: &str) {
        if !self.is_open {
            self.database.batch_execute("BEGIN").unwrap();
            self.is_open = true;
        }
        self.try_to(statement);
    }

    fn end(&mut self, statement: &str) {
        if self.is_open {
            self.try_to(statement);
            self.is_open = false;
            self.has_savepoint = false;
        }
    }

    fn try_to(&mut self, statement: &str) {
        let Err(error) = self.database.batch_execute(statement) else { return };
        let expected =
            [SqlState::LOCK_NOT_AVAILABLE, SqlState::UNIQUE_VIOLATION, SqlState::T_R_DEADLOCK_DETECTED];
        assert!(error.code().is_some_and(|code| expected.contains(code)), "{statement}: {error:?}");
        let back = if self.has_savepoint && statement != "COMMIT" { "ROLLBACK TO s" } else { "ROLLBACK" };
        self.database.batch_execute(back).unwrap();
        self.is_open &= self.has_savepoint && statement != "COMMIT";
        self.has_savepoint &= self.is_open;
    }
}

impl Node {
    /// Reads, or appends what it has read, or is slow.
    fn step(&mut self, random: &mut Random) {
        if self.read.is_empty() {
            self.read([1, 2, 8][random.below(3)], random.below(4) == 0);
        } else if random.below(4) == 0 {
            self.append();
        }
    }

    /// Reads some changes. A node skips ids that it has seen long ago, so it may miss the first one.
    fn read(&mut self, rows: usize, skips_first: bool) {
        let read = "SELECT key, ids, nonces, payload FROM tidings.read_changes(1, \
            CASE WHEN $2 THEN (SELECT coalesce(min(id), 0) FROM tidings.changes) ELSE 0 END, '{}', $1, 1048576, 262144)";
        let found = self.database.query(read, &[&(rows as i64), &skips_first]).unwrap();
        let change = |row: &::postgres::Row| Change {
            key: row.get(0),
            ids: row.get(1),
            nonces: row.get(2),
            payload: row.get(3),
        };
        self.read = found.iter().map(change).collect();
    }

    fn append(&mut self) {
        let read = std::mem::take(&mut self.read);
        let (mut ids, mut nonces, mut places) = (Vec::<i64>::new(), Vec::<Uuid>::new(), Vec::<i32>::new());
        for (place, change) in (1_i32..).zip(&read) {
            ids.extend(&change.ids);
            nonces.extend(&change.nonces);
            places.extend(change.ids.iter().map(|_| place));
        }
        let keys: Vec<_> = read.iter().map(|change| &change.key).collect();
        let payloads: Vec<_> = read.iter().map(|change| &change.payload).collect();
        let draft_keys: Vec<Uuid> = read.iter().map(|_| Uuid::now_v7()).collect();
        let count = read.len() as i32;
        let append = "WITH n AS (SELECT ARRAY[$9::integer] AS n) SELECT missed FROM n, tidings.sequence_changes(1, $1, $2, \
            $3, $4, $5, array_fill(NULL::text, n), array_fill(NULL::text, n), 262144, ARRAY['acme'], ARRAY[7::bigint], \
            array_fill(1, n), $6, array_fill(NULL::integer, n), array_fill(NULL::bytea, n), \
            array_fill('store:links'::text, n), $7, $7, $8, array_fill(100::bigint, n))";
        let bytes: Vec<Option<&[u8]>> =
            read.iter().map(|change| change.payload.as_ref().map(|_| &b"store"[..])).collect();
        self.database
            .query_one(
                append,
                &[&self.id, &ids, &nonces, &places, &keys, &draft_keys, &bytes, &payloads, &count],
            )
            .unwrap();
    }
}
