//! Departments, teams, people, and who belongs to which team.

use uuid::Uuid;

use crate::derive::{Event, Payload, Topic};

/// Where staff events appear: three lists, and one topic for each record.
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
    /// Which one.
    pub uuid: Uuid,
}

/// A team and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Teams, Team(uuid), Department(department_uuid), Department(previous_department_uuid)))]
pub struct Team {
    /// Which one.
    pub uuid: Uuid,
    /// The department that it belongs to, if any.
    pub department_uuid: Option<Uuid>,
    /// When it moved: the department that it belonged to before.
    pub previous_department_uuid: Option<Uuid>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(People, Person(uuid)))]
pub struct Person {
    /// Which one.
    pub uuid: Uuid,
}

/// A person's place in a team.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Teams, Team(team_uuid), People, Person(staff_person_uuid)))]
pub struct Membership {
    /// The membership itself, where it has an identity of its own.
    pub uuid: Option<Uuid>,
    /// The team.
    pub team_uuid: Uuid,
    /// The person.
    pub staff_person_uuid: Uuid,
}

/// What happens to staff.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
pub enum Event {
    /// A department is new.
    DepartmentCreated(Department),
    /// A department changed.
    DepartmentUpdated(Department),
    /// A department is gone.
    DepartmentDeleted(Department),
    /// A team is new.
    TeamCreated(Team),
    /// A team changed or moved.
    TeamUpdated(Team),
    /// A team is gone.
    TeamDeleted(Team),
    /// A person is new.
    PersonCreated(Person),
    /// A person changed.
    PersonUpdated(Person),
    /// A person is gone.
    PersonDeleted(Person),
    /// A person joined a team.
    TeamPersonAdded(Membership),
    /// A person left a team.
    TeamPersonRemoved(Membership),
}
