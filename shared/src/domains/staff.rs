//! Departments, teams, people, and who belongs to which team.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{TopicName, event::event_names, topic::uuid_segment};

/// Where staff events appear: three lists, and one topic for each record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// All departments.
    Departments,
    /// All teams.
    Teams,
    /// All people.
    People,
    /// One department, with the teams in it.
    Department(Uuid),
    /// One team, with its members.
    Team(Uuid),
    /// One person, with their memberships.
    Person(Uuid),
}

impl crate::Topic for Topic {
    const DOMAIN: &'static str = "staff";
    const PATTERNS: &'static [&'static str] = &[
        "staff:departments",
        "staff:teams",
        "staff:people",
        "staff:department:{uuid}",
        "staff:team:{uuid}",
        "staff:person:{uuid}",
    ];

    fn from_segments(segments: &[&str]) -> Option<Self> {
        match segments {
            ["departments"] => Some(Self::Departments),
            ["teams"] => Some(Self::Teams),
            ["people"] => Some(Self::People),
            ["department", uuid] => uuid_segment(uuid).map(Self::Department),
            ["team", uuid] => uuid_segment(uuid).map(Self::Team),
            ["person", uuid] => uuid_segment(uuid).map(Self::Person),
            _ => None,
        }
    }

    fn name(&self) -> TopicName {
        let one = |kind, uuid: &Uuid| TopicName::from_segments(&["staff", kind, &uuid.to_string()]);
        match self {
            Self::Departments => TopicName::from_segments(&["staff", "departments"]),
            Self::Teams => TopicName::from_segments(&["staff", "teams"]),
            Self::People => TopicName::from_segments(&["staff", "people"]),
            Self::Department(uuid) => one("department", uuid),
            Self::Team(uuid) => one("team", uuid),
            Self::Person(uuid) => one("person", uuid),
        }
    }
}

/// A department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    /// Which one.
    pub uuid: Uuid,
}

/// A team and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Which one.
    pub uuid: Uuid,
    /// The department that it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_uuid: Option<Uuid>,
    /// When it moved: the department that it belonged to before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_department_uuid: Option<Uuid>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Which one.
    pub uuid: Uuid,
}

/// A person's place in a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The membership itself, where it has an identity of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Uuid>,
    /// The team.
    pub team_uuid: Uuid,
    /// The person.
    pub staff_person_uuid: Uuid,
}

/// What happens to staff.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl crate::Event for Event {
    type Topic = Topic;

    event_names! {
        DepartmentCreated = "department_created",
        DepartmentUpdated = "department_updated",
        DepartmentDeleted = "department_deleted",
        TeamCreated = "team_created",
        TeamUpdated = "team_updated",
        TeamDeleted = "team_deleted",
        PersonCreated = "person_created",
        PersonUpdated = "person_updated",
        PersonDeleted = "person_deleted",
        TeamPersonAdded = "team_person_added",
        TeamPersonRemoved = "team_person_removed",
    }

    fn topics(&self) -> Vec<Topic> {
        match self {
            Self::DepartmentCreated(d) | Self::DepartmentUpdated(d) | Self::DepartmentDeleted(d) => {
                vec![Topic::Departments, Topic::Department(d.uuid)]
            }
            Self::TeamCreated(t) | Self::TeamUpdated(t) | Self::TeamDeleted(t) => {
                let parents = [t.department_uuid, t.previous_department_uuid];
                let parents = parents.into_iter().flatten().map(Topic::Department);
                [Topic::Teams, Topic::Team(t.uuid)].into_iter().chain(parents).collect()
            }
            Self::PersonCreated(p) | Self::PersonUpdated(p) | Self::PersonDeleted(p) => {
                vec![Topic::People, Topic::Person(p.uuid)]
            }
            Self::TeamPersonAdded(m) | Self::TeamPersonRemoved(m) => vec![
                Topic::Teams,
                Topic::Team(m.team_uuid),
                Topic::People,
                Topic::Person(m.staff_person_uuid),
            ],
        }
    }
}
