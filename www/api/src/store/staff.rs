//! Departments, teams, people, and who belongs to which team.

use rusqlite::{Connection, OptionalExtension, Transaction};
use tidings_shared::domains::{projects, staff};
use uuid::Uuid;

use crate::{
    events::Events,
    fault::Fault,
    records::{DepartmentDetail, DepartmentRow, Membership, PersonDetail, PersonRow, TeamDetail, TeamRow},
    store::assignments::assignment_events,
    table::{Body, Field, Kind, Table, row, rows},
};

pub(crate) const DEPARTMENTS: Table = Table {
    name: "departments",
    noun: "department",
    key: "uuid",
    fields: &[Field { name: "name", kind: Kind::Name }, Field { name: "description", kind: Kind::Prose }],
};

pub(crate) const TEAMS: Table = Table {
    name: "teams",
    noun: "team",
    key: "uuid",
    fields: &[
        Field { name: "name", kind: Kind::Name },
        Field { name: "purpose", kind: Kind::Prose },
        Field { name: "department_uuid", kind: Kind::Link(&DEPARTMENTS) },
    ],
};

pub(crate) const PEOPLE: Table = Table {
    name: "people",
    noun: "person",
    key: "uuid",
    fields: &[
        Field { name: "name", kind: Kind::Name },
        Field { name: "role", kind: Kind::Line },
        Field { name: "email", kind: Kind::Line },
    ],
};

const MEMBERSHIPS: Table = Table {
    name: "memberships",
    noun: "membership",
    key: "uuid",
    fields: &[
        Field { name: "team_uuid", kind: Kind::Parent(&TEAMS) },
        Field { name: "person_uuid", kind: Kind::Parent(&PEOPLE) },
    ],
};

/// All departments, with how many teams each has.
pub(crate) fn departments(db: &Connection) -> Result<Vec<DepartmentRow>, Fault> {
    rows(
        db,
        "SELECT d.*, (SELECT count(*) FROM teams t WHERE t.department_uuid = d.uuid) AS teams
         FROM departments d ORDER BY d.name COLLATE NOCASE, d.uuid",
        [],
    )
}

/// A department and its teams.
pub(crate) fn department(db: &Connection, uuid: Uuid) -> Result<DepartmentDetail, Fault> {
    let department = row(db, "department", "SELECT * FROM departments WHERE uuid = ?", [uuid])?;
    let teams = rows(
        db,
        "SELECT t.*, (SELECT count(*) FROM memberships m WHERE m.team_uuid = t.uuid) AS members
         FROM teams t WHERE t.department_uuid = ? ORDER BY t.name COLLATE NOCASE, t.uuid",
        [uuid],
    )?;
    Ok(DepartmentDetail { department, teams })
}

pub(crate) fn create_department(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<DepartmentDetail, Fault> {
    let uuid = DEPARTMENTS.insert(tx, body)?;
    events.add(&staff::Event::DepartmentCreated(staff::Department { uuid }))?;
    department(tx, uuid)
}

pub(crate) fn update_department(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<DepartmentDetail, Fault> {
    DEPARTMENTS.update(tx, uuid, body)?;
    events.add(&staff::Event::DepartmentUpdated(staff::Department { uuid }))?;
    department(tx, uuid)
}

/// Deletes a department. Its teams stay, without a department.
pub(crate) fn delete_department(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let teams = uuids(tx, "SELECT uuid FROM teams WHERE department_uuid = ?", uuid)?;
    DEPARTMENTS.delete(tx, uuid)?;
    for team in teams {
        events.add(&staff::Event::TeamUpdated(staff::Team {
            uuid: team,
            department_uuid: None,
            previous_department_uuid: Some(uuid),
        }))?;
    }
    events.add(&staff::Event::DepartmentDeleted(staff::Department { uuid }))?;
    Ok(())
}

/// All teams, with their department's name and how many members each has.
pub(crate) fn teams(db: &Connection) -> Result<Vec<TeamRow>, Fault> {
    rows(
        db,
        "SELECT t.*, d.name AS department_name,
                (SELECT count(*) FROM memberships m WHERE m.team_uuid = t.uuid) AS members
         FROM teams t LEFT JOIN departments d ON d.uuid = t.department_uuid
         ORDER BY t.name COLLATE NOCASE, t.uuid",
        [],
    )
}

/// A team, its department's name and its members.
pub(crate) fn team(db: &Connection, uuid: Uuid) -> Result<TeamDetail, Fault> {
    let team = row(
        db,
        "team",
        "SELECT t.*, d.name AS department_name
         FROM teams t LEFT JOIN departments d ON d.uuid = t.department_uuid WHERE t.uuid = ?",
        [uuid],
    )?;
    let members = rows(
        db,
        "SELECT m.uuid, m.person_uuid, p.name, p.role
         FROM memberships m JOIN people p ON p.uuid = m.person_uuid
         WHERE m.team_uuid = ? ORDER BY p.name COLLATE NOCASE, p.uuid",
        [uuid],
    )?;
    Ok(TeamDetail { team, members })
}

pub(crate) fn create_team(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<TeamDetail, Fault> {
    let uuid = TEAMS.insert(tx, body)?;
    let department_uuid = department_of(tx, uuid)?;
    events.add(&staff::Event::TeamCreated(staff::Team {
        uuid,
        department_uuid,
        previous_department_uuid: None,
    }))?;
    team(tx, uuid)
}

pub(crate) fn update_team(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<TeamDetail, Fault> {
    let before = department_of(tx, uuid)?;
    TEAMS.update(tx, uuid, body)?;
    let after = department_of(tx, uuid)?;
    events.add(&staff::Event::TeamUpdated(staff::Team {
        uuid,
        department_uuid: after,
        previous_department_uuid: before.filter(|_| before != after),
    }))?;
    team(tx, uuid)
}

pub(crate) fn delete_team(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let department_uuid = department_of(tx, uuid)?;
    let memberships = memberships(tx, "team_uuid", uuid)?;
    TEAMS.delete(tx, uuid)?;
    for membership in memberships {
        events.add(&staff::Event::TeamPersonRemoved(membership))?;
    }
    events.add(&staff::Event::TeamDeleted(staff::Team {
        uuid,
        department_uuid,
        previous_department_uuid: None,
    }))?;
    Ok(())
}

/// All people, with the names of their teams.
pub(crate) fn people(db: &Connection) -> Result<Vec<PersonRow>, Fault> {
    rows(
        db,
        "SELECT p.*, (SELECT group_concat(name, ', ') FROM (
                 SELECT t.name FROM memberships m JOIN teams t ON t.uuid = m.team_uuid
                 WHERE m.person_uuid = p.uuid ORDER BY t.name COLLATE NOCASE)) AS team_names
         FROM people p ORDER BY p.name COLLATE NOCASE, p.uuid",
        [],
    )
}

/// A person and the teams that they belong to.
pub(crate) fn person(db: &Connection, uuid: Uuid) -> Result<PersonDetail, Fault> {
    let person = row(db, "person", "SELECT * FROM people WHERE uuid = ?", [uuid])?;
    let teams = rows(
        db,
        "SELECT m.uuid, m.team_uuid, t.name, t.purpose
         FROM memberships m JOIN teams t ON t.uuid = m.team_uuid
         WHERE m.person_uuid = ? ORDER BY t.name COLLATE NOCASE, t.uuid",
        [uuid],
    )?;
    Ok(PersonDetail { person, teams })
}

pub(crate) fn create_person(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<PersonDetail, Fault> {
    let uuid = PEOPLE.insert(tx, body)?;
    events.add(&staff::Event::PersonCreated(staff::Person { uuid }))?;
    person(tx, uuid)
}

pub(crate) fn update_person(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<PersonDetail, Fault> {
    PEOPLE.update(tx, uuid, body)?;
    events.add(&staff::Event::PersonUpdated(staff::Person { uuid }))?;
    person(tx, uuid)
}

/// Deletes a person with their memberships. Their projects and assignments stay, without a person.
pub(crate) fn delete_person(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let memberships = memberships(tx, "person_uuid", uuid)?;
    let assignments = assignment_events(tx, "person_uuid", uuid)?;
    let led = tx
        .prepare_cached("SELECT uuid, is_template FROM projects WHERE lead_uuid = ?")?
        .query_map([uuid], |row| Ok(projects::Project { uuid: row.get(0)?, is_template: Some(row.get(1)?) }))?
        .collect::<Result<Vec<_>, _>>()?;
    PEOPLE.delete(tx, uuid)?;
    for membership in memberships {
        events.add(&staff::Event::TeamPersonRemoved(membership))?;
    }
    for assignment in assignments {
        events.add(&projects::Event::AssignmentUpdated(assignment))?;
    }
    for project in led {
        events.add(&projects::Event::ProjectUpdated(project))?;
    }
    events.add(&staff::Event::PersonDeleted(staff::Person { uuid }))?;
    Ok(())
}

/// A person joins a team.
pub(crate) fn create_membership(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<Membership, Fault> {
    let uuid = MEMBERSHIPS.insert(tx, body)?;
    let membership = memberships(tx, "uuid", uuid)?.pop().ok_or_else(Fault::internal)?;
    events.add(&staff::Event::TeamPersonAdded(membership))?;
    row(tx, "membership", "SELECT * FROM memberships WHERE uuid = ?", [uuid])
}

/// A person leaves a team.
pub(crate) fn delete_membership(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let membership = memberships(tx, "uuid", uuid)?.pop();
    MEMBERSHIPS.delete(tx, uuid)?;
    events.add(&staff::Event::TeamPersonRemoved(membership.ok_or_else(Fault::internal)?))?;
    Ok(())
}

fn department_of(db: &Connection, team: Uuid) -> Result<Option<Uuid>, Fault> {
    let department = db
        .query_row("SELECT department_uuid FROM teams WHERE uuid = ?", [team], |row| row.get(0))
        .optional()?;
    department.ok_or_else(|| Fault::missing("team"))
}

/// The memberships with this `uuid` in `column`, in the form of the events.
fn memberships(db: &Connection, column: &'static str, uuid: Uuid) -> Result<Vec<staff::Membership>, Fault> {
    let sql =
        format!("SELECT uuid, team_uuid, person_uuid FROM memberships WHERE {column} = ? ORDER BY uuid");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([uuid], |row| {
        Ok(staff::Membership { uuid: row.get(0)?, team_uuid: row.get(1)?, staff_person_uuid: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first column of a query's rows.
fn uuids(db: &Connection, sql: &str, uuid: Uuid) -> Result<Vec<Uuid>, Fault> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([uuid], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
