//! Departments, teams, people, and memberships of people in teams.

use uuid::Uuid;

use crate::derive::{Event, Payload, Topic};

/// The topics of staff: three lists, and one topic for each record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "staff")]
pub enum Topic {
    /// All departments.
    #[topic("departments")]
    Departments,
    /// All teams.
    #[topic("teams")]
    Teams,
    /// All people.
    #[topic("people")]
    People,
    /// One department, with the teams in it.
    #[topic("department:{uuid}")]
    Department(Uuid),
    /// One team, with its members.
    #[topic("team:{uuid}")]
    Team(Uuid),
    /// One person, with their memberships.
    #[topic("person:{uuid}")]
    Person(Uuid),
}

/// A department.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Departments, Department(uuid)))]
pub struct Department {
    /// The department's id.
    pub uuid: Uuid,
}

/// A team and its department.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Teams, Team(uuid), Department(department_uuid), Department(previous_department_uuid)))]
pub struct Team {
    /// The team's id.
    pub uuid: Uuid,
    /// Its department, if any.
    pub department_uuid: Option<Uuid>,
    /// Its department before it moved.
    pub previous_department_uuid: Option<Uuid>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(People, Person(uuid)))]
pub struct Person {
    /// The person's id.
    pub uuid: Uuid,
}

/// A person's membership in a team.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Teams, Team(team_uuid), People, Person(staff_person_uuid)))]
pub struct Membership {
    /// The membership's id, if it has one.
    pub uuid: Option<Uuid>,
    /// The team.
    pub team_uuid: Uuid,
    /// The person.
    pub staff_person_uuid: Uuid,
}

/// The changes of staff.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
pub enum Event {
    /// A department was created.
    DepartmentCreated(Department),
    /// A department changed.
    DepartmentUpdated(Department),
    /// A department was deleted.
    DepartmentDeleted(Department),
    /// A team was created.
    TeamCreated(Team),
    /// A team changed or moved.
    TeamUpdated(Team),
    /// A team was deleted.
    TeamDeleted(Team),
    /// A person was created.
    PersonCreated(Person),
    /// A person changed.
    PersonUpdated(Person),
    /// A person was deleted.
    PersonDeleted(Person),
    /// A person joined a team.
    TeamPersonAdded(Membership),
    /// A person left a team.
    TeamPersonRemoved(Membership),
}
