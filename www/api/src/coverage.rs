//! For tests: each write has its event. `tables` says which event must name a row of each table.
//!
//! The events come from calls of `Events::add` in `store`. The test here leaves out each call in turn, and the coverage must
//! find it.

use std::{
    collections::BTreeSet,
    panic::Location,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, Transaction};
use serde_json::{Value, json};
use tidings_server::coverage::{By, Coverage, Table};
use uuid::Uuid;

use crate::{
    events::Events,
    fault::Fault,
    schema,
    store::{catalogue, crm, projects, staff},
    table::Body,
};

/// How an event names a row of each table.
pub(crate) fn tables() -> Vec<Table> {
    let by = |domain: &str| By::domain(domain).field("uuid", "uuid");
    let kind = |kind: &str| by("catalogue").constant("kind", kind);
    // A deleted record of this kind takes the row with it, or the row loses it.
    let of = |kind: &str, column: &str| By::domain("catalogue").constant("kind", kind).field("uuid", column);
    let of_project =
        |event: &str, field: &str| By::domain("projects").event(event).field(field, "project_uuid");
    vec![
        // The bridge makes the events of this table.
        Table::ignore("links"),
        Table::new("departments").named(by("staff")),
        Table::new("teams")
            .named(by("staff").either(&["department_uuid", "previous_department_uuid"], "department_uuid")),
        Table::new("people").named(by("staff")),
        Table::new("memberships")
            .named(by("staff").field("team_uuid", "team_uuid").field("staff_person_uuid", "person_uuid")),
        Table::new("projects").named(by("projects")),
        Table::new("tasks").named(by("projects")).shown_in("assignments", "task_uuid"),
        Table::new("assignments")
            .named(by("projects").field("project_uuid", "project_uuid"))
            .named(of_project("assignment_reordered", "project_uuid"))
            .named(of_project("project_created", "uuid"))
            .named(of_project("project_deleted", "uuid")),
        Table::new("catalogues").named(kind("catalogue")),
        Table::new("categories")
            .named(kind("category").field("parent", "catalogue_uuid"))
            .named(of("catalogue", "catalogue_uuid")),
        Table::new("manufacturers").named(kind("manufacturer")),
        Table::new("items")
            .named(kind("item").field("parent", "catalogue_uuid"))
            .named(of("catalogue", "catalogue_uuid"))
            .named(of("category", "category_uuid"))
            .named(of("manufacturer", "manufacturer_uuid")),
        Table::new("contacts").named(By::domain("store").constant("schema", "contacts").field("key", "uuid")),
        Table::new("interactions").named(By::domain("crm").field("interaction_uuid", "uuid")),
        Table::new("interaction_parties")
            .named(By::domain("crm").field("interaction_uuid", "interaction_uuid")),
    ]
}

/// Checks at the end of a test that each write had its event.
#[derive(Debug)]
pub(crate) struct Covered(pub(crate) Coverage);

impl Drop for Covered {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.assert_complete();
        }
    }
}

/// A call of `Events::add`: its file and its line.
type Call = (&'static str, u32);

/// The calls of [`Events::add`] that were made.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    made: Mutex<BTreeSet<Call>>,
    left_out: Option<Call>,
}

impl Calls {
    pub(crate) fn leaves_out(&self, at: &'static Location<'static>) -> bool {
        let call = (at.file(), at.line());
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(call);
        self.left_out == Some(call)
    }
}

/// Writes of every kind, each in a transaction of its own.
struct Writes<'a> {
    connection: Connection,
    calls: &'a Calls,
}

impl Writes<'_> {
    fn write<T>(&mut self, write: impl FnOnce(&Transaction<'_>, &Events<'_>) -> Result<T, Fault>) -> T {
        let transaction = self.connection.transaction().unwrap();
        let written = write(&transaction, &Events::noting(&transaction, self.calls)).unwrap();
        transaction.commit().unwrap();
        written
    }

    fn create<T: serde::Serialize>(
        &mut self,
        create: fn(&Transaction<'_>, &Body, &Events<'_>) -> Result<T, Fault>,
        body: Value,
    ) -> Uuid {
        let made = self.write(|transaction, events| create(transaction, &object(body), events));
        json!(made)["uuid"].as_str().unwrap().parse().unwrap()
    }

    fn update<T>(
        &mut self,
        update: fn(&Transaction<'_>, Uuid, &Body, &Events<'_>) -> Result<T, Fault>,
        uuid: Uuid,
        body: Value,
    ) {
        self.write(|transaction, events| update(transaction, uuid, &object(body), events));
    }

    fn delete(&mut self, delete: fn(&Transaction<'_>, Uuid, &Events<'_>) -> Result<(), Fault>, uuid: Uuid) {
        self.write(|transaction, events| delete(transaction, uuid, events));
    }

    fn staff(&mut self) {
        let department = self.create(staff::create_department, json!({ "name": "D" }));
        self.update(staff::update_department, department, json!({ "name": "E" }));
        let team = self.create(staff::create_team, json!({ "name": "T", "department_uuid": department }));
        self.update(staff::update_team, team, json!({ "name": "U" }));
        let person = self.create(staff::create_person, json!({ "name": "P" }));
        self.update(staff::update_person, person, json!({ "role": "R" }));
        let body = json!({ "team_uuid": team, "person_uuid": person });
        let membership = self.create(staff::create_membership, body.clone());
        self.delete(staff::delete_membership, membership);
        self.create(staff::create_membership, body.clone());
        let project = self.create(projects::create_project, json!({ "name": "J", "lead_uuid": person }));
        let task = self.create(projects::create_task, json!({ "title": "K" }));
        let assignment = json!({ "project_uuid": project, "task_uuid": task, "person_uuid": person });
        self.create(projects::create_assignment, assignment);
        self.delete(staff::delete_person, person);
        let person = self.create(staff::create_person, json!({ "name": "Q" }));
        self.create(staff::create_membership, json!({ "team_uuid": team, "person_uuid": person }));
        self.delete(staff::delete_department, department);
        self.delete(staff::delete_team, team);
    }

    fn projects(&mut self) {
        let template = self.create(projects::create_project, json!({ "name": "T", "is_template": true }));
        let (one, two) = (
            self.create(projects::create_task, json!({ "title": "one" })),
            self.create(projects::create_task, json!({ "title": "two" })),
        );
        let mut assignments = [one, two].map(|task| {
            self.create(projects::create_assignment, json!({ "project_uuid": template, "task_uuid": task }))
        });
        assignments.reverse();
        self.update(projects::order_assignments, template, json!({ "assignments": assignments }));
        let body = json!({ "name": "J", "template_uuid": template });
        let project = self.create(projects::create_project, body);
        self.update(projects::update_project, project, json!({ "summary": "S" }));
        self.update(projects::act_on_project, project, json!({ "action": "start" }));
        self.update(projects::update_assignment, assignments[0], json!({ "is_done": true }));
        self.update(projects::update_task, one, json!({ "title": "renamed" }));
        self.delete(projects::delete_assignment, assignments[0]);
        self.delete(projects::delete_task, one);
        self.delete(projects::delete_project, template);
    }

    fn catalogue(&mut self) {
        let [old, new] =
            ["Old", "New"].map(|name| self.create(catalogue::create_catalogue, json!({ "name": name })));
        self.update(catalogue::update_catalogue, old, json!({ "description": "D" }));
        let category = self.create(catalogue::create_category, json!({ "name": "C", "catalogue_uuid": old }));
        let manufacturer = self.create(catalogue::create_manufacturer, json!({ "name": "M" }));
        let mut item = || {
            let body = json!({
                "name": "I", "catalogue_uuid": old, "category_uuid": category, "manufacturer_uuid": manufacturer
            });
            self.create(catalogue::create_item, body)
        };
        let (moved, deleted, _left) = (item(), item(), item());
        self.update(catalogue::update_item, moved, json!({ "stock": 7 }));
        self.update(catalogue::update_item, moved, json!({ "catalogue_uuid": new }));
        self.delete(catalogue::delete_item, deleted);
        self.delete(catalogue::delete_category, category);
        self.delete(catalogue::delete_manufacturer, manufacturer);
        self.delete(catalogue::delete_catalogue, old);
    }

    fn crm(&mut self) {
        let [a, b, c] = ["A", "B", "C"].map(|name| self.create(crm::create_contact, json!({ "name": name })));
        self.update(crm::update_contact, a, json!({ "company": "X" }));
        let about = |subject: Uuid, party: Uuid| json!({ "subject_uuid": subject, "kind": "call", "summary": "S", "parties": [party] });
        self.create(crm::create_interaction, about(a, b));
        let joined = self.create(crm::create_interaction, about(b, a));
        self.update(crm::update_interaction, joined, json!({ "parties": [a, c] }));
        let deleted = self.create(crm::create_interaction, about(c, b));
        self.delete(crm::delete_interaction, deleted);
        self.delete(crm::delete_contact, a);
    }
}

fn object(body: Value) -> Body {
    body.as_object().unwrap().clone()
}

/// Writes everything, without one call, and returns the calls and the changes that have no event.
fn written(left_out: Option<Call>) -> (BTreeSet<Call>, Vec<String>) {
    let mut connection = schema::open(Path::new(":memory:")).unwrap();
    let coverage = Coverage::sqlite(tables()).unwrap();
    coverage.connect(&mut connection).unwrap();
    let calls = Calls { left_out, ..Calls::default() };
    let mut writes = Writes { connection, calls: &calls };
    writes.staff();
    writes.projects();
    writes.catalogue();
    writes.crm();
    let missing = coverage.missing().unwrap().iter().map(ToString::to_string).collect();
    (calls.made.into_inner().unwrap(), missing)
}

#[test]
fn each_call_that_is_left_out_is_found() {
    let (calls, missing) = written(None);
    assert!(missing.is_empty(), "{missing:#?}");
    let sources = [
        include_str!("store/assignments.rs"),
        include_str!("store/catalogue.rs"),
        include_str!("store/crm.rs"),
        include_str!("store/projects.rs"),
        include_str!("store/staff.rs"),
    ];
    let there: usize = sources.iter().map(|source| source.matches("events.add(").count()).sum();
    assert_eq!(calls.len(), there, "the writes of this test make every call of the store: {calls:#?}");
    let unfound: Vec<Call> = calls.into_iter().filter(|call| written(Some(*call)).1.is_empty()).collect();
    assert!(unfound.is_empty(), "without one of these calls, no change is missing: {unfound:#?}");
}
