//! Projects and their templates, the task library, and the assignments of tasks to projects.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;
use tidings_shared::domains::projects;
use uuid::Uuid;

use crate::{
    events::Events,
    fault::Fault,
    records::{Assignment, ProjectDetail, ProjectRow, TaskDetail, TaskRow},
    store::{assignments::assignment_events, staff::PEOPLE},
    table::{Body, Field, Kind, Table, row, rows},
};

pub(crate) const PROJECTS: Table = Table {
    name: "projects",
    noun: "project",
    key: "uuid",
    fields: &[
        Field { name: "name", kind: Kind::Name },
        Field { name: "summary", kind: Kind::Prose },
        Field { name: "lead_uuid", kind: Kind::Link(&PEOPLE) },
        Field { name: "is_template", kind: Kind::Flag },
    ],
};

pub(crate) const TASKS: Table = Table {
    name: "tasks",
    noun: "task",
    key: "uuid",
    fields: &[Field { name: "title", kind: Kind::Name }, Field { name: "notes", kind: Kind::Prose }],
};

const ASSIGNMENTS: Table = Table {
    name: "assignments",
    noun: "assignment",
    key: "uuid",
    fields: &[
        Field { name: "project_uuid", kind: Kind::Parent(&PROJECTS) },
        Field { name: "task_uuid", kind: Kind::Parent(&TASKS) },
        Field { name: "person_uuid", kind: Kind::Link(&PEOPLE) },
        Field { name: "is_done", kind: Kind::Flag },
    ],
};

/// An action on a project: the statuses that allow it, its SQL, and its event.
/// Archiving does not depend on the status, so its list is empty.
struct Action {
    name: &'static str,
    from: &'static [&'static str],
    sql: &'static str,
    event: fn(projects::Project) -> projects::Event,
}

const ACTIONS: &[Action] = &[
    Action {
        name: "start",
        from: &["planned", "on_hold"],
        sql: "UPDATE projects SET status = 'active' WHERE uuid = ?",
        event: projects::Event::ProjectStarted,
    },
    Action {
        name: "hold",
        from: &["active"],
        sql: "UPDATE projects SET status = 'on_hold' WHERE uuid = ?",
        event: projects::Event::ProjectStatusChanged,
    },
    Action {
        name: "complete",
        from: &["active"],
        sql: "UPDATE projects SET status = 'completed' WHERE uuid = ?",
        event: projects::Event::ProjectCompleted,
    },
    Action {
        name: "reopen",
        from: &["completed"],
        sql: "UPDATE projects SET status = 'active' WHERE uuid = ?",
        event: projects::Event::ProjectReopened,
    },
    Action {
        name: "archive",
        from: &[],
        sql: "UPDATE projects SET is_archived = 1 WHERE uuid = ?",
        event: projects::Event::ProjectArchived,
    },
    Action {
        name: "unarchive",
        from: &[],
        sql: "UPDATE projects SET is_archived = 0 WHERE uuid = ?",
        event: projects::Event::ProjectUnarchived,
    },
];

/// All projects and templates, each with the name of its lead and its progress.
pub(crate) fn projects(db: &Connection) -> Result<Vec<ProjectRow>, Fault> {
    rows(
        db,
        "SELECT p.*, l.name AS lead_name,
                (SELECT count(*) FROM assignments a WHERE a.project_uuid = p.uuid) AS assignments,
                (SELECT count(*) FROM assignments a WHERE a.project_uuid = p.uuid AND a.is_done) AS done
         FROM projects p LEFT JOIN people l ON l.uuid = p.lead_uuid
         ORDER BY p.name COLLATE NOCASE, p.uuid",
        [],
    )
}

/// A project, its lead's name and its assignments in their order.
pub(crate) fn project(db: &Connection, uuid: Uuid) -> Result<ProjectDetail, Fault> {
    let project = row(
        db,
        "project",
        "SELECT p.*, l.name AS lead_name
         FROM projects p LEFT JOIN people l ON l.uuid = p.lead_uuid WHERE p.uuid = ?",
        [uuid],
    )?;
    let assignments = rows(db, &assignment_query("a.project_uuid = ?"), [uuid])?;
    Ok(ProjectDetail { project, assignments })
}

fn assignment_query(condition: &'static str) -> String {
    format!(
        "SELECT a.uuid, a.task_uuid, t.title, a.person_uuid, p.name AS person_name, a.is_done
         FROM assignments a JOIN tasks t ON t.uuid = a.task_uuid LEFT JOIN people p ON p.uuid = a.person_uuid
         WHERE {condition} ORDER BY a.place, a.uuid"
    )
}

/// With `template_uuid` in the body it starts with the template's assignments.
pub(crate) fn create_project(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<ProjectDetail, Fault> {
    let mut body = body.clone();
    let template = body.remove("template_uuid").filter(|template| !template.is_null());
    let uuid = PROJECTS.insert(tx, &body)?;
    if let Some(template) = template {
        let template = template.as_str().and_then(|text| Uuid::parse_str(text).ok());
        let template = template.filter(|uuid| as_event(tx, *uuid).is_ok_and(|p| p.is_template == Some(true)));
        let template = template.ok_or_else(|| {
            Fault::field(
                "template_uuid",
                "there is no such template: give the uuid of a template, or leave it out",
            )
        })?;
        copy_assignments(tx, template, uuid)?;
    }
    events.add(&projects::Event::ProjectCreated(as_event(tx, uuid)?))?;
    project(tx, uuid)
}

fn copy_assignments(tx: &Transaction<'_>, from: Uuid, to: Uuid) -> Result<(), Fault> {
    let mut statement =
        tx.prepare_cached("SELECT task_uuid FROM assignments WHERE project_uuid = ? ORDER BY place, uuid")?;
    let tasks = statement.query_map([from], |row| row.get(0))?.collect::<Result<Vec<Uuid>, _>>()?;
    for (place, task) in (0_i64..).zip(tasks) {
        let body = [("project_uuid", to), ("task_uuid", task)];
        let body = body.map(|(name, uuid)| (name.to_owned(), uuid.to_string().into()));
        let uuid = ASSIGNMENTS.insert(tx, &Body::from_iter(body))?;
        tx.execute("UPDATE assignments SET place = ? WHERE uuid = ?", params![place, uuid])?;
    }
    Ok(())
}

pub(crate) fn update_project(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<ProjectDetail, Fault> {
    let before = as_event(tx, uuid)?;
    PROJECTS.update(tx, uuid, body)?;
    let mut event = as_event(tx, uuid)?;
    // A project that is no template any more leaves the list of templates, so that list must get the event too.
    if before.is_template == Some(true) {
        event.is_template = Some(true);
    }
    events.add(&projects::Event::ProjectUpdated(event))?;
    project(tx, uuid)
}

pub(crate) fn delete_project(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let event = as_event(tx, uuid)?;
    PROJECTS.delete(tx, uuid)?;
    events.add(&projects::Event::ProjectDeleted(event))?;
    Ok(())
}

/// Starts, holds, completes, reopens, archives or unarchives a project.
pub(crate) fn act_on_project(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<ProjectDetail, Fault> {
    let event = as_event(tx, uuid)?;
    let action = ACTIONS.iter().find(|action| body.get("action").is_some_and(|name| name == action.name));
    let action = action.ok_or_else(|| {
        let names: Vec<_> = ACTIONS.iter().map(|action| action.name).collect();
        Fault::field("action", format!("`action` is not accepted: give one of {}", names.join(", ")))
    })?;
    let status: String =
        tx.query_row("SELECT status FROM projects WHERE uuid = ?", [uuid], |row| row.get(0))?;
    if !action.from.is_empty() && !action.from.contains(&status.as_str()) {
        return Err(Fault::conflict(format!(
            "{} is for projects that are {}, and this one is {status}",
            action.name,
            action.from.join(" or ")
        )));
    }
    tx.execute(action.sql, [uuid])?;
    events.add(&(action.event)(event))?;
    project(tx, uuid)
}

/// Sorts a project's assignments. The body names all of them in their new order.
pub(crate) fn order_assignments(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<ProjectDetail, Fault> {
    PROJECTS.expect(tx, uuid)?;
    let mut stored = tx
        .prepare_cached("SELECT uuid FROM assignments WHERE project_uuid = ?")?
        .query_map([uuid], |row| row.get(0))?
        .collect::<Result<Vec<Uuid>, _>>()?;
    let order: Option<Vec<Uuid>> = body.get("assignments").and_then(Value::as_array).and_then(|uuids| {
        uuids.iter().map(|uuid| uuid.as_str().and_then(|text| Uuid::parse_str(text).ok())).collect()
    });
    let order = order.ok_or_else(|| {
        Fault::field("assignments", "`assignments` is not accepted: give the list of the assignments' uuids")
    })?;
    let mut named = order.clone();
    stored.sort();
    named.sort();
    if stored != named {
        return Err(Fault::conflict(
            "the list must name each assignment of this project once; somebody may have added or removed one: load again",
        ));
    }
    for (place, assignment) in (0_i64..).zip(order) {
        tx.execute("UPDATE assignments SET place = ? WHERE uuid = ?", params![place, assignment])?;
    }
    events.add(&projects::Event::AssignmentReordered(projects::Assignment {
        uuid: None,
        project_uuid: uuid,
    }))?;
    project(tx, uuid)
}

/// The new assignment comes last.
pub(crate) fn create_assignment(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<Assignment, Fault> {
    let uuid = ASSIGNMENTS.insert(tx, body)?;
    tx.execute(
        "UPDATE assignments SET place = (
             SELECT 1 + max(o.place) FROM assignments o WHERE o.project_uuid = assignments.project_uuid)
         WHERE uuid = ?",
        [uuid],
    )?;
    push_assignment(tx, uuid, events, projects::Event::AssignmentCreated)
}

pub(crate) fn update_assignment(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<Assignment, Fault> {
    if body.contains_key("project_uuid") {
        return Err(Fault::field(
            "project_uuid",
            "an assignment stays in its project: delete it and add another",
        ));
    }
    ASSIGNMENTS.update(tx, uuid, body)?;
    push_assignment(tx, uuid, events, projects::Event::AssignmentUpdated)
}

pub(crate) fn delete_assignment(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let event = assignment_events(tx, "uuid", uuid)?.pop();
    ASSIGNMENTS.delete(tx, uuid)?;
    events.add(&projects::Event::AssignmentDeleted(event.ok_or_else(Fault::internal)?))?;
    Ok(())
}

/// All tasks, with how many projects use each.
pub(crate) fn tasks(db: &Connection) -> Result<Vec<TaskRow>, Fault> {
    rows(
        db,
        "SELECT t.*, (SELECT count(DISTINCT a.project_uuid) FROM assignments a WHERE a.task_uuid = t.uuid) AS projects
         FROM tasks t ORDER BY t.title COLLATE NOCASE, t.uuid",
        [],
    )
}

/// A task and the projects that use it.
pub(crate) fn task(db: &Connection, uuid: Uuid) -> Result<TaskDetail, Fault> {
    let task = row(db, "task", "SELECT * FROM tasks WHERE uuid = ?", [uuid])?;
    let projects = rows(
        db,
        "SELECT p.uuid, p.name, p.status, p.is_template, p.is_archived FROM projects p
         WHERE p.uuid IN (SELECT project_uuid FROM assignments WHERE task_uuid = ?)
         ORDER BY p.name COLLATE NOCASE, p.uuid",
        [uuid],
    )?;
    Ok(TaskDetail { task, projects })
}

pub(crate) fn create_task(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<TaskDetail, Fault> {
    let uuid = TASKS.insert(tx, body)?;
    events.add(&projects::Event::TaskCreated(projects::Task { uuid }))?;
    task(tx, uuid)
}

/// Projects that use the task show its title, so they get the event as well.
pub(crate) fn update_task(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<TaskDetail, Fault> {
    TASKS.update(tx, uuid, body)?;
    events.add(&projects::Event::TaskUpdated(projects::Task { uuid }))?;
    for assignment in assignment_events(tx, "task_uuid", uuid)? {
        events.add(&projects::Event::AssignmentUpdated(assignment))?;
    }
    task(tx, uuid)
}

pub(crate) fn delete_task(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let assignments = assignment_events(tx, "task_uuid", uuid)?;
    TASKS.delete(tx, uuid)?;
    for assignment in assignments {
        events.add(&projects::Event::AssignmentDeleted(assignment))?;
    }
    events.add(&projects::Event::TaskDeleted(projects::Task { uuid }))?;
    Ok(())
}

fn push_assignment(
    tx: &Transaction<'_>,
    uuid: Uuid,
    events: &Events<'_>,
    event: fn(projects::Assignment) -> projects::Event,
) -> Result<Assignment, Fault> {
    for assignment in assignment_events(tx, "uuid", uuid)? {
        events.add(&event(assignment))?;
    }
    row(tx, "assignment", &assignment_query("a.uuid = ?"), [uuid])
}

fn as_event(db: &Connection, uuid: Uuid) -> Result<projects::Project, Fault> {
    let is_template = db
        .query_row("SELECT is_template FROM projects WHERE uuid = ?", [uuid], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Fault::missing("project"))?;
    Ok(projects::Project { uuid, is_template: Some(is_template) })
}
