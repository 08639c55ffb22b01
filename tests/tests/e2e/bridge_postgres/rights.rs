//! Who may do what, and what has no bridge.

use serde_json::Value;
use tidings_server::bridge::{Bridge, SourceError, postgres::PostgresSource};
use tidings_tests::{
    Postgres, finish,
    postgres::{as_user, connect},
    tidings,
};

use super::{Link, Node, Told, link, new_outbox, run, with_links};

#[track_caller]
fn refused(started: Result<Bridge<Value>, SourceError>, word: &str) {
    match started {
        Err(SourceError::NotSupported(message)) => {
            assert!(message.contains(word) && !message.contains("secret"), "{message}");
        }
        other => panic!("{word}: {other:?}"),
    }
}

#[test]
fn a_table_without_what_a_bridge_needs_is_refused_with_the_remedy() {
    let url = new_outbox();
    run(
        &mut connect(&url),
        "CREATE TABLE keyless(v int); CREATE VIEW seen AS SELECT 1 AS id; CREATE UNLOGGED TABLE unlogged(id int PRIMARY KEY);
        CREATE TABLE secured(id int PRIMARY KEY); ALTER TABLE secured FORCE ROW LEVEL SECURITY",
    );
    let node = Node::new(&url, false);
    for (table, word) in [
        ("keyless", "primary key"),
        ("seen", "view"),
        ("unlogged", "SET LOGGED"),
        ("secured", "row level security"),
        ("nothing", "there is no table"),
        ("a.b.c.d", "a.b.c.d"),
    ] {
        refused(node.start(table), word);
    }
    let plain = Postgres::shared().database();
    refused(Node::new(&plain, false).start("links"), "tidings journal init");
    let name = format!("{}_ascii", url.rsplit_once('/').unwrap().1);
    let ascii = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII'");
    run(&mut connect(&url), &ascii);
    refused(Node::new(&Postgres::shared().url(&name), false).start("links"), "the encoding UTF8");
    let error = PostgresSource::new("mysql://u:secret@h/d").unwrap_err();
    assert!(matches!(&error, SourceError::Invalid(message) if !message.contains("secret")), "{error}");
    let started = Node::new(&url.replace("owner:", "nobody:"), false).start::<Link>("links");
    assert!(matches!(started, Err(SourceError::Failed(_))), "{started:?}");
}

#[test]
fn the_owner_of_a_table_lets_nodes_read_it_and_writers_need_no_right() {
    let (url, mut database) = with_links(true);
    // The test's server may have them already.
    run(
        &mut database,
        "DO $$ BEGIN CREATE ROLE table_owner LOGIN PASSWORD 't' IN ROLE tidings_publisher; EXCEPTION WHEN duplicate_object THEN END $$;
        DO $$ BEGIN CREATE ROLE bridging LOGIN PASSWORD 'b' IN ROLE tidings_node; EXCEPTION WHEN duplicate_object THEN END $$;
        DO $$ BEGIN CREATE ROLE table_writer LOGIN PASSWORD 'w'; EXCEPTION WHEN duplicate_object THEN END $$;
        ALTER TABLE links OWNER TO table_owner; GRANT INSERT, UPDATE ON links TO table_writer",
    );
    let mut node = Node::new(&as_user(&url, "bridging", "b"), true);
    refused(node.start("links"), "let its owner run `SELECT tidings.bridge('public.links')`");
    let mut writer = connect(&as_user(&url, "table_writer", "w"));
    let error = writer.batch_execute("SELECT tidings.bridge('links')").unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("permission denied"), "{error:?}");
    let mut bridging = connect(&as_user(&url, "bridging", "b"));
    let error = bridging.batch_execute("SELECT tidings.bridge('links')").unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("table_owner"), "{error:?}");
    let mut owner = connect(&as_user(&url, "table_owner", "t"));
    run(&mut owner, "SELECT tidings.bridge('links')");
    node.bridge = Some(node.start("links").unwrap());
    assert_eq!(node.next(), Told::Sync);
    run(&mut writer, "INSERT INTO links VALUES (1, 1)");
    assert_eq!(node.next(), link(1, 1));
    // What a node may do does not include reading the table itself, and nobody else may call the reader.
    let named = "SELECT 'tidings_tables.' || records, secret::text FROM tidings.bridged_tables";
    let row = database.query_one(named, &[]).unwrap();
    let (named, secret): (String, String) = (row.get(0), row.get(1));
    let call = format!("SELECT FROM {named}('links', '{{1}}', 9, '{secret}')");
    for (who, statement) in [(&mut bridging, "SELECT FROM links"), (&mut writer, &call)] {
        let error = who.batch_execute(statement).unwrap_err();
        assert!(error.as_db_error().unwrap().message().contains("permission denied"), "{error:?}");
    }
    // The functions of the owner do not read another table.
    run(&mut database, &call);
    run(&mut database, "CREATE TABLE secrets(id int PRIMARY KEY); ALTER TABLE secrets OWNER TO table_owner");
    let error = database.batch_execute(&call.replace("'links'", "'secrets'")).unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("no trigger"), "{error:?}");
    run(&mut owner, "SELECT tidings.unbridge('links')");
    run(&mut writer, "INSERT INTO links VALUES (2, 2)");
    let left = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'tidings%'";
    assert_eq!(database.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
    // A superuser makes functions for the owner, and not with rights of its own.
    let watch = "SELECT tidings.bridge('links'); SELECT tidings.watch('links', 'own', created => 'x')";
    run(&mut database, watch);
    let theirs = "SELECT count(*), bool_and(proowner = 'table_owner'::regrole) FROM pg_proc \
        WHERE pronamespace = 'tidings_tables'::regnamespace";
    let row = database.query_one(theirs, &[]).unwrap();
    assert_eq!((row.get(0), row.get(1)), (2_i64, true));
    run(&mut writer, "INSERT INTO links VALUES (3, 3)");
}

#[test]
fn a_database_without_the_schemas_of_tidings_has_no_triggers_left() {
    let (url, mut database) = with_links(false);
    run(
        &mut database,
        "SELECT tidings.bridge('links'); SELECT tidings.watch('links', 'own', created => 'made')",
    );
    // Without the second schema, no event of the row could be published.
    let error = database
        .batch_execute("BEGIN; DROP SCHEMA tidings CASCADE; INSERT INTO links VALUES (1, 1)")
        .unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("tidings"), "{error:?}");
    run(
        &mut database,
        "ROLLBACK; DROP SCHEMA tidings_tables, tidings CASCADE; INSERT INTO links VALUES (1, 1)",
    );
    let made = finish(tidings().args(["journal", "init", "--outbox", &url]));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    run(&mut database, "SELECT tidings.bridge('links')");
}

/// Its owner could put other functions in the place of ours.
#[test]
fn a_schema_that_belongs_to_somebody_else_is_refused() {
    for schema in ["tidings", "tidings_tables"] {
        let url = Postgres::shared().database();
        let squat = format!(
            "DO $$ BEGIN CREATE ROLE squatting; EXCEPTION WHEN duplicate_object THEN END $$;
            CREATE SCHEMA {schema} AUTHORIZATION squatting"
        );
        run(&mut connect(&url), &squat);
        let made = finish(tidings().args(["journal", "init", "--journal", &url]));
        assert_eq!(made.code, Some(2), "{made:?}");
        let said = format!(
            "the schema {schema} belongs to squatting, who may change what is in it: Let squatting do"
        );
        assert!(made.stderr.contains(&said), "{made:?}");
        run(&mut connect(&url), &format!("DROP SCHEMA {schema} CASCADE"));
        let made = finish(tidings().args(["journal", "init", "--journal", &url]));
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    }
}

#[test]
fn a_user_who_may_not_create_roles_bridges_only_its_own_tables() {
    // This makes the roles.
    new_outbox();
    for (user, role) in [("installing", "CREATEROLE"), ("plain_installing", "NOCREATEROLE")] {
        let url = Postgres::shared().database();
        let mut database = connect(&url);
        run(
            &mut database,
            &format!(
                "DO $$ BEGIN CREATE ROLE {user} LOGIN {role} PASSWORD 'i'; EXCEPTION WHEN duplicate_object THEN END $$;
                DO $$ BEGIN CREATE ROLE owning LOGIN PASSWORD 'o' IN ROLE tidings_publisher;
                EXCEPTION WHEN duplicate_object THEN END $$;
                DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO {user}', current_database()); END $$;
                CREATE TABLE own(id int PRIMARY KEY); ALTER TABLE own OWNER TO {user};
                CREATE TABLE links(id bigint PRIMARY KEY, v bigint); ALTER TABLE links OWNER TO owning"
            ),
        );
        let users = as_user(&url, user, "i");
        for _ in 0..2 {
            let made = finish(tidings().args(["journal", "init", "--journal", &users]));
            assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
        }
        run(&mut connect(&users), "SELECT tidings.bridge('own')");
        let mut owner = connect(&as_user(&url, "owning", "o"));
        let bridged = owner.batch_execute("SELECT tidings.bridge('links')");
        let mut node = Node::new(&users, true);
        if role == "NOCREATEROLE" {
            let error = bridged.unwrap_err();
            let error = error.as_db_error().unwrap();
            assert!(error.message().contains("tidings_reader") && error.hint().is_some(), "{error:?}");
            node.bridge = Some(node.start("own").unwrap());
            assert_eq!(node.next(), Told::Sync);
            run(&mut database, "INSERT INTO own VALUES (1)");
            assert_eq!(node.next(), Told::Upserted("1".to_owned(), serde_json::json!({ "id": 1 })));
            continue;
        }
        bridged.unwrap();
        node.bridge = Some(node.start("links").unwrap());
        assert_eq!(node.next(), Told::Sync);
        run(&mut owner, "INSERT INTO links VALUES (1, 1)");
        assert_eq!(node.next(), link(1, 1));
        // Nobody has the rights of the role afterwards.
        let members = "SELECT count(*) FROM pg_auth_members WHERE roleid = 'tidings_reader'::regrole AND pg_has_role(member, \
            'tidings_reader', 'USAGE')";
        assert_eq!(database.query_one(members, &[]).unwrap().get::<_, i64>(0), 0);
    }
}
