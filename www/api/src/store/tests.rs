//! Each write goes through the database thread, as from the routes, while a subscriber of the hub listens.

use std::{pin::pin, task::Poll};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tidings_server::Delivery;
use uuid::Uuid;

use self::world::{World, hear, object, uuid_of};
use super::{catalogue, crm, projects, staff};
use crate::{fault::Fault, testing::new_hub};

mod links;
mod world;

fn event(name: &str, topics: &[String]) -> (String, Vec<String>) {
    (name.to_owned(), topics.to_vec())
}

fn topics<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_moved_team_is_announced_to_its_old_and_its_new_department() {
    let world = World::new().await;
    let old = world.create(staff::create_department, json!({ "name": "Old" })).await.unwrap();
    let new = world.create(staff::create_department, json!({ "name": "New" })).await.unwrap();
    let team =
        world.create(staff::create_team, json!({ "name": "T", "department_uuid": old })).await.unwrap();
    let mut all = world.hear(&topics(["staff:teams"])).await;

    world.update(staff::update_team, team, json!({ "department_uuid": new })).await.unwrap();
    world.update(staff::update_team, team, json!({ "name": "Renamed" })).await.unwrap();
    world.update(staff::update_team, team, json!({ "department_uuid": null })).await.unwrap();

    let (one, from, to) =
        (format!("staff:team:{team}"), format!("staff:department:{old}"), format!("staff:department:{new}"));
    let teams = "staff:teams".to_owned();
    assert_eq!(
        world.heard(&mut all).await,
        [
            event("team_updated", &[teams.clone(), one.clone(), to.clone(), from]),
            event("team_updated", &[teams.clone(), one.clone(), to.clone()]),
            event("team_updated", &[teams, one, to]),
        ]
    );
    assert_eq!(world.read(staff::team, team).await["department_uuid"], Value::Null);
}

#[tokio::test]
async fn a_deleted_department_lets_its_teams_go_and_says_so() {
    let world = World::new().await;
    let department = world.create(staff::create_department, json!({ "name": "D" })).await.unwrap();
    let body = json!({ "name": "T", "department_uuid": department });
    let team = world.create(staff::create_team, body).await.unwrap();
    let mut all = world.hear(&topics(["staff:teams", "staff:departments"])).await;

    world.delete(staff::delete_department, department).await.unwrap();

    let one = format!("staff:department:{department}");
    assert_eq!(
        world.heard(&mut all).await,
        [
            event("team_updated", &["staff:teams".to_owned(), format!("staff:team:{team}"), one.clone()]),
            event("department_deleted", &["staff:departments".to_owned(), one]),
        ]
    );
    assert_eq!(world.read(staff::team, team).await["department_name"], Value::Null);
}

#[tokio::test]
async fn a_deleted_person_leaves_teams_assignments_and_projects_and_each_hears_of_it() {
    let world = World::new().await;
    let person = world.create(staff::create_person, json!({ "name": "P" })).await.unwrap();
    let team = world.create(staff::create_team, json!({ "name": "T" })).await.unwrap();
    let body = json!({ "team_uuid": team, "person_uuid": person });
    world.create(staff::create_membership, body).await.unwrap();
    let body = json!({ "name": "J", "lead_uuid": person, "is_template": true });
    let project = world.create(projects::create_project, body).await.unwrap();
    let task = world.create(projects::create_task, json!({ "title": "K" })).await.unwrap();
    let body = json!({ "project_uuid": project, "task_uuid": task, "person_uuid": person });
    world.create(projects::create_assignment, body).await.unwrap();
    let mut all = world.hear(&topics(["staff:people", "projects:all"])).await;

    world.delete(staff::delete_person, person).await.unwrap();

    let (of_person, of_project) = (format!("staff:person:{person}"), format!("projects:project:{project}"));
    assert_eq!(
        world.heard(&mut all).await,
        [
            event(
                "team_person_removed",
                &[
                    "staff:teams".to_owned(),
                    format!("staff:team:{team}"),
                    "staff:people".to_owned(),
                    of_person.clone()
                ]
            ),
            event("assignment_updated", &["projects:all".to_owned(), of_project.clone()]),
            event(
                "project_updated",
                &["projects:all".to_owned(), of_project, "projects:templates".to_owned()]
            ),
            event("person_deleted", &["staff:people".to_owned(), of_person]),
        ]
    );
    let left = world.read(projects::project, project).await;
    assert_eq!((&left["lead_name"], &left["assignments"][0]["person_name"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn joining_a_team_twice_is_refused_and_announced_once() {
    let world = World::new().await;
    let person = world.create(staff::create_person, json!({ "name": "P" })).await.unwrap();
    let team = world.create(staff::create_team, json!({ "name": "T" })).await.unwrap();
    let body = json!({ "team_uuid": team, "person_uuid": person });
    let mut both = world.hear(&[format!("staff:team:{team}"), format!("staff:person:{person}")]).await;

    let membership = world.create(staff::create_membership, body.clone()).await.unwrap();
    assert_eq!(world.create(staff::create_membership, body).await.unwrap_err().status, 409);
    world.delete(staff::delete_membership, membership).await.unwrap();

    let names: Vec<_> = world.heard(&mut both).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["team_person_added", "team_person_removed"]);
}

#[tokio::test]
async fn a_refused_write_changes_nothing_and_announces_nothing() {
    let world = World::new().await;
    let person = world.create(staff::create_person, json!({ "name": "P" })).await.unwrap();
    let team = world.create(staff::create_team, json!({ "name": "T" })).await.unwrap();
    let names = ["staff:people", "staff:teams", "staff:departments", "projects:all", "catalogue"];
    let mut all = world.hear(&topics(names)).await;
    let nobody = Uuid::now_v7();

    let long = "x".repeat(121);
    for (body, field) in [
        (json!({ "name": "" }), Some("name")),
        (json!({ "name": long }), Some("name")),
        (json!({ "name": "two\nlines" }), Some("name")),
        (json!({ "name": 7 }), Some("name")),
        (json!({ "role": "no name" }), Some("name")),
        (json!({ "name": "N", "shoe_size": 43 }), None),
    ] {
        let fault = world.create(staff::create_person, body).await.unwrap_err();
        assert_eq!((fault.status, fault.field), (422, field), "{fault:?}");
    }
    let fault =
        world.update(staff::update_team, team, json!({ "name": "New", "department_uuid": nobody })).await;
    assert_eq!(fault.unwrap_err().field, Some("department_uuid"));
    assert_eq!(
        world.update(staff::update_person, nobody, json!({ "name": "N" })).await.unwrap_err().status,
        404
    );
    assert_eq!(world.delete(staff::delete_person, nobody).await.unwrap_err().status, 404);
    let fault =
        world.create(staff::create_membership, json!({ "team_uuid": team, "person_uuid": nobody })).await;
    assert_eq!(fault.unwrap_err().field, Some("person_uuid"));

    assert_eq!(world.heard(&mut all).await, []);
    assert_eq!(world.read(staff::person, person).await["name"], "P");
    assert_eq!(world.read(staff::team, team).await["name"], "T");
}

#[tokio::test]
async fn what_was_half_done_when_a_write_failed_is_undone() {
    let world = World::new().await;
    let mut all = world.hear(&topics(["staff:people"])).await;
    let failed = world.database.write(None, |tx, events| {
        staff::create_person(tx, &object(json!({ "name": "Half" })), events)?;
        Err::<(), _>(Fault::conflict("on purpose"))
    });
    assert_eq!(failed.await.unwrap_err().status, 409);
    assert_eq!(world.heard(&mut all).await, []);
    let people = world.database.read(staff::people).await.unwrap();
    assert!(people.iter().all(|row| row.person.name != "Half"));
}

#[tokio::test]
async fn a_write_whose_commit_fails_announces_nothing() {
    let world = World::new().await;
    let mut all = world.hear(&topics(["staff:people"])).await;
    let failed = world.database.write(None, |tx, events| {
        // The constraint is checked at the commit, so the write itself succeeds.
        tx.pragma_update(None, "defer_foreign_keys", true)?;
        tx.execute("INSERT INTO memberships VALUES (randomblob(16), randomblob(16), randomblob(16))", [])?;
        staff::create_person(tx, &object(json!({ "name": "Never" })), events)
    });
    assert_eq!(failed.await.unwrap_err().status, 500);
    assert_eq!(world.heard(&mut all).await, []);
}

#[tokio::test]
async fn a_write_that_panics_is_rolled_back_with_its_events() {
    let world = World::new().await;
    let mut people = world.hear(&topics(["staff:people"])).await;
    let failed = world.database.write::<(), _>(None, |tx, events| {
        staff::create_person(tx, &object(json!({ "name": "Never" })), events)?;
        panic!("on purpose")
    });
    assert_eq!(failed.await.unwrap_err().status, 500);
    let count = world.database.read(|db| {
        let sql = "SELECT count(*) FROM people WHERE name = 'Never'";
        Ok(db.query_row(sql, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(count.await.unwrap(), 0);
    assert_eq!(world.heard(&mut people).await, []);
}

#[tokio::test]
async fn a_write_whose_caller_has_gone_is_announced_all_the_same() {
    let world = World::new().await;
    let mut people = world.hear(&topics(["staff:people"])).await;
    let write = world.database.write(Some("tab-1".to_owned()), |tx, events| {
        staff::create_person(tx, &object(json!({ "name": "Gone" })), events)
    });
    {
        let mut write = pin!(write);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(matches!(write.as_mut().poll(&mut context), Poll::Pending | Poll::Ready(Ok(_))));
        // Dropped here, as warp drops the answer to a browser that has gone.
    }
    let Some(Delivery::Event { publication, .. }) = people.next().await else { panic!("no event") };
    assert_eq!(publication.event.event, "person_created");
    assert_eq!(publication.origin.as_deref(), Some("tab-1"));
}

#[tokio::test]
async fn a_write_that_was_not_published_at_the_end_is_published_by_the_next_start() {
    let before = World::new().await;
    // The process ends after the commit and before the publication.
    before.outbox.stop().await;
    before.create(staff::create_person, json!({ "name": "Late" })).await.unwrap();
    let World { folder, .. } = before;

    let hub = new_hub();
    let mut people = hear(&hub, &topics(["staff:people"]));
    let world = World::start(folder, hub).await;

    let names: Vec<_> = world.heard(&mut people).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["person_created"]);
}

#[tokio::test]
async fn projects_go_through_their_statuses_and_each_step_has_its_event() {
    let world = World::new().await;
    let project = world.create(projects::create_project, json!({ "name": "J" })).await.unwrap();
    let mut one = world.hear(&[format!("projects:project:{project}")]).await;
    let act =
        |action: &'static str| world.update(projects::act_on_project, project, json!({ "action": action }));

    for action in ["start", "hold", "start", "complete", "reopen", "archive", "unarchive"] {
        act(action).await.unwrap();
    }
    assert_eq!(act("reopen").await.unwrap_err().status, 409, "it is active");
    assert_eq!(act("explode").await.unwrap_err().field, Some("action"));

    let names: Vec<_> = world.heard(&mut one).await.into_iter().map(|(name, _)| name).collect();
    let steps = ["started", "status_changed", "started", "completed", "reopened", "archived", "unarchived"];
    assert_eq!(names, steps.map(|step| format!("project_{step}")));
    assert_eq!(world.read(projects::project, project).await["status"], "active");
}

#[tokio::test]
async fn a_template_is_announced_to_templates_until_after_it_ceased_to_be_one() {
    let world = World::new().await;
    let mut templates = world.hear(&topics(["projects:templates"])).await;
    let body = json!({ "name": "T", "is_template": true });
    let template = world.create(projects::create_project, body).await.unwrap();
    world.update(projects::update_project, template, json!({ "is_template": false })).await.unwrap();
    world.update(projects::update_project, template, json!({ "name": "No template" })).await.unwrap();
    let names: Vec<_> = world.heard(&mut templates).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["project_created", "project_updated"]);
}

#[tokio::test]
async fn a_project_from_a_template_starts_with_its_assignments_in_their_order() {
    let world = World::new().await;
    let body = json!({ "name": "T", "is_template": true });
    let template = world.create(projects::create_project, body).await.unwrap();
    let mut made = Vec::new();
    for title in ["one", "two", "three"] {
        let task = world.create(projects::create_task, json!({ "title": title })).await.unwrap();
        let body = json!({ "project_uuid": template, "task_uuid": task });
        made.push(world.create(projects::create_assignment, body).await.unwrap());
    }
    made.rotate_left(1);
    let mut one = world.hear(&[format!("projects:project:{template}")]).await;
    world.update(projects::order_assignments, template, json!({ "assignments": made })).await.unwrap();
    let reordered = world.heard(&mut one).await.remove(0);
    assert_eq!(reordered.0, "assignment_reordered");

    let body = json!({ "name": "P", "template_uuid": template });
    let project = world.create(projects::create_project, body).await.unwrap();
    let project = world.read(projects::project, project).await;
    let titles: Vec<_> =
        project["assignments"].as_array().unwrap().iter().map(|a| a["title"].clone()).collect();
    assert_eq!(titles, ["two", "three", "one"]);

    let fault =
        world.update(projects::order_assignments, template, json!({ "assignments": &made[1..] })).await;
    assert_eq!(fault.unwrap_err().status, 409);
    let body = json!({ "name": "P", "template_uuid": uuid_of(&project) });
    assert_eq!(world.create(projects::create_project, body).await.unwrap_err().field, Some("template_uuid"));
}

#[tokio::test]
async fn a_renamed_task_is_announced_to_the_projects_that_show_its_title() {
    let world = World::new().await;
    let project = world.create(projects::create_project, json!({ "name": "J" })).await.unwrap();
    let task = world.create(projects::create_task, json!({ "title": "K" })).await.unwrap();
    let body = json!({ "project_uuid": project, "task_uuid": task });
    world.create(projects::create_assignment, body).await.unwrap();
    let mut all = world.hear(&[format!("projects:project:{project}"), "projects:tasks".to_owned()]).await;
    world.update(projects::update_task, task, json!({ "title": "Renamed" })).await.unwrap();
    world.delete(projects::delete_task, task).await.unwrap();
    let names: Vec<_> = world.heard(&mut all).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["task_updated", "assignment_updated", "assignment_deleted", "task_deleted"]);
}

#[tokio::test]
async fn catalogue_events_name_the_kind_the_record_and_the_catalogue_and_nothing_else() {
    let world = World::new().await;
    let old = world.create(catalogue::create_catalogue, json!({ "name": "Old" })).await.unwrap();
    let new = world.create(catalogue::create_catalogue, json!({ "name": "New" })).await.unwrap();
    let body = json!({ "name": "C", "catalogue_uuid": old });
    let category = world.create(catalogue::create_category, body).await.unwrap();
    let body = json!({ "name": "I", "catalogue_uuid": old, "category_uuid": category, "price_cents": 100 });
    let item = world.create(catalogue::create_item, body).await.unwrap();
    let mut all = world.hear(&topics(["catalogue"])).await;

    let moved = world.update(catalogue::update_item, item, json!({ "catalogue_uuid": new })).await.unwrap();
    assert_eq!(moved["category_uuid"], Value::Null, "the category stays behind");
    let fault = world.update(catalogue::update_item, item, json!({ "category_uuid": category })).await;
    assert_eq!(fault.unwrap_err().field, Some("category_uuid"));
    world.create(catalogue::create_manufacturer, json!({ "name": "M" })).await.unwrap();

    let payloads: Vec<Value> = world
        .publications(&mut all)
        .await
        .iter()
        .map(|publication| serde_json::from_str(publication.event.payload.get()).unwrap())
        .collect();
    assert_eq!(payloads[0], json!({ "kind": "item", "uuid": item, "parent": new }));
    assert_eq!(payloads[1], json!({ "kind": "item", "uuid": item, "parent": old }));
    assert_eq!((&payloads[2]["kind"], &payloads[2]["parent"]), (&json!("manufacturer"), &Value::Null));
    assert_eq!(payloads.len(), 3);
}

#[tokio::test]
async fn an_interaction_is_announced_to_the_contacts_of_before_and_of_after_and_names_none() {
    let world = World::new().await;
    let mut contacts = Vec::new();
    for name in ["A", "B", "C", "D"] {
        contacts.push(world.create(crm::create_contact, json!({ "name": name })).await.unwrap());
    }
    let [a, b, c, d] = contacts[..] else { panic!("four contacts") };
    let topic = |contact: Uuid| format!("crm:contact:{contact}:interactions");
    let mut all = world.hear(&[topic(a), topic(b), topic(c), topic(d)]).await;

    let body = json!({ "subject_uuid": a, "kind": "call", "summary": "S", "parties": [b, a] });
    let interaction = world.create(crm::create_interaction, body).await.unwrap();
    world.update(crm::update_interaction, interaction, json!({ "parties": [c] })).await.unwrap();
    world.delete(crm::delete_contact, c).await.unwrap();
    world.delete(crm::delete_contact, a).await.unwrap();

    assert_eq!(
        world.heard(&mut all).await,
        [
            event("interaction_created", &[topic(a), topic(b)]),
            event("interaction_updated", &[topic(a), topic(b), topic(c)]),
            event("interaction_updated", &[topic(a), topic(c)]),
            event("interaction_deleted", &[topic(a)]),
        ]
    );
}

#[tokio::test]
async fn a_contact_travels_as_a_record_of_the_store_domain() {
    let world = World::new().await;
    let mut all = world.hear(&topics(["store:contacts"])).await;
    let contact = world.create(crm::create_contact, json!({ "name": "A" })).await.unwrap();
    world.delete(crm::delete_contact, contact).await.unwrap();
    let Some(Delivery::Event { publication, .. }) = all.next().await else { panic!("no event") };
    let payload: Value = serde_json::from_str(publication.event.payload.get()).unwrap();
    assert_eq!((&payload["key"], &payload["record"]["name"]), (&json!(contact), &json!("A")));
    assert_eq!(world.heard(&mut all).await, [event("deleted", &topics(["store:contacts"]))]);
}

#[tokio::test]
async fn more_parties_than_the_bound_are_refused_and_the_most_allowed_still_fit_one_publication() {
    let world = World::new().await;
    let subject = world.create(crm::create_contact, json!({ "name": "S" })).await.unwrap();
    let mut parties = Vec::new();
    for n in 0..=crm::MAX_PARTIES * 2 {
        parties.push(world.create(crm::create_contact, json!({ "name": format!("P{n}") })).await.unwrap());
    }
    let (first, second) = parties.split_at(crm::MAX_PARTIES);
    let body = |parties: &[Uuid]| json!({ "subject_uuid": subject, "kind": "note", "parties": parties });
    let fault = world.create(crm::create_interaction, body(second)).await.unwrap_err();
    assert_eq!(fault.field, Some("parties"));

    let interaction = world.create(crm::create_interaction, body(first)).await.unwrap();
    let mut all = world.hear(&[format!("crm:contact:{subject}:interactions")]).await;
    let second = &second[..crm::MAX_PARTIES];
    world.update(crm::update_interaction, interaction, json!({ "parties": second })).await.unwrap();
    assert_eq!(world.heard(&mut all).await[0].1.len(), 1 + 2 * crm::MAX_PARTIES);
}

#[tokio::test]
async fn a_full_table_refuses_another_row() {
    let world = World::new().await;
    world
        .database
        .write(None, |tx, _| {
            let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                       INSERT INTO manufacturers SELECT randomblob(16), 'M' || i FROM n";
            tx.execute(sql, [crate::table::MAX_ROWS])?;
            Ok(())
        })
        .await
        .unwrap();
    // Nobody has to hear of these rows.
    world.covered.0.forget().unwrap();
    let fault =
        world.create(catalogue::create_manufacturer, json!({ "name": "One more" })).await.unwrap_err();
    assert_eq!(fault.status, 409);
    assert!(fault.detail.contains("2000") && fault.detail.contains("delete"), "{}", fault.detail);
}
