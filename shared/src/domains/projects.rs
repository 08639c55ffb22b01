//! Projects and their templates, the task library, assignments of tasks to projects, and what depends on what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{TopicName, event::event_names, topic::uuid_segment};

/// Where project events appear.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everything.
    All,
    /// The task library.
    Tasks,
    /// Project templates.
    Templates,
    /// One project, with its assignments and dependencies.
    Project(Uuid),
}

impl crate::Topic for Topic {
    const DOMAIN: &'static str = "projects";
    const PATTERNS: &'static [&'static str] =
        &["projects:all", "projects:tasks", "projects:templates", "projects:project:{uuid}"];

    fn from_segments(segments: &[&str]) -> Option<Self> {
        match segments {
            ["all"] => Some(Self::All),
            ["tasks"] => Some(Self::Tasks),
            ["templates"] => Some(Self::Templates),
            ["project", uuid] => uuid_segment(uuid).map(Self::Project),
            _ => None,
        }
    }

    fn name(&self) -> TopicName {
        match self {
            Self::All => TopicName::from_segments(&["projects", "all"]),
            Self::Tasks => TopicName::from_segments(&["projects", "tasks"]),
            Self::Templates => TopicName::from_segments(&["projects", "templates"]),
            Self::Project(uuid) => TopicName::from_segments(&["projects", "project", &uuid.to_string()]),
        }
    }
}

/// A project, or the template of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Which one.
    pub uuid: Uuid,
    /// Whether it is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_template: Option<bool>,
}

/// A task of the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Which one.
    pub uuid: Uuid,
}

/// A task's place in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which one; none when the order of several changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Uuid>,
    /// The project that it belongs to.
    pub project_uuid: Uuid,
}

/// One assignment waits for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The assignment that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment_uuid: Option<Uuid>,
    /// The assignment that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on_uuid: Option<Uuid>,
    /// The project that both belong to.
    pub project_uuid: Uuid,
}

/// What happens to projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A project is new.
    ProjectCreated(Project),
    /// A project changed.
    ProjectUpdated(Project),
    /// A project is gone.
    ProjectDeleted(Project),
    /// Work on a project began.
    ProjectStarted(Project),
    /// A project is done.
    ProjectCompleted(Project),
    /// A project that was done goes on.
    ProjectReopened(Project),
    /// A project was put away.
    ProjectArchived(Project),
    /// A project was taken out of the archive.
    ProjectUnarchived(Project),
    /// A project's status changed in a way that has no event of its own.
    ProjectStatusChanged(Project),
    /// A task is new.
    TaskCreated(Task),
    /// A task changed.
    TaskUpdated(Task),
    /// A task is gone.
    TaskDeleted(Task),
    /// A project has a new assignment.
    AssignmentCreated(Assignment),
    /// An assignment changed.
    AssignmentUpdated(Assignment),
    /// An assignment is gone.
    AssignmentDeleted(Assignment),
    /// A project's assignments are in another order.
    AssignmentReordered(Assignment),
    /// An assignment waits for another.
    DependencyAdded(Dependency),
    /// An assignment no longer waits for another.
    DependencyRemoved(Dependency),
}

impl crate::Event for Event {
    type Topic = Topic;

    event_names! {
        ProjectCreated = "project_created",
        ProjectUpdated = "project_updated",
        ProjectDeleted = "project_deleted",
        ProjectStarted = "project_started",
        ProjectCompleted = "project_completed",
        ProjectReopened = "project_reopened",
        ProjectArchived = "project_archived",
        ProjectUnarchived = "project_unarchived",
        ProjectStatusChanged = "project_status_changed",
        TaskCreated = "task_created",
        TaskUpdated = "task_updated",
        TaskDeleted = "task_deleted",
        AssignmentCreated = "assignment_created",
        AssignmentUpdated = "assignment_updated",
        AssignmentDeleted = "assignment_deleted",
        AssignmentReordered = "assignment_reordered",
        DependencyAdded = "dependency_added",
        DependencyRemoved = "dependency_removed",
    }

    fn topics(&self) -> Vec<Topic> {
        match self {
            Self::ProjectCreated(p)
            | Self::ProjectUpdated(p)
            | Self::ProjectDeleted(p)
            | Self::ProjectStarted(p)
            | Self::ProjectCompleted(p)
            | Self::ProjectReopened(p)
            | Self::ProjectArchived(p)
            | Self::ProjectUnarchived(p)
            | Self::ProjectStatusChanged(p) => {
                let templates = (p.is_template == Some(true)).then_some(Topic::Templates);
                [Topic::All, Topic::Project(p.uuid)].into_iter().chain(templates).collect()
            }
            Self::TaskCreated(_) | Self::TaskUpdated(_) | Self::TaskDeleted(_) => {
                vec![Topic::All, Topic::Tasks]
            }
            Self::AssignmentCreated(a)
            | Self::AssignmentUpdated(a)
            | Self::AssignmentDeleted(a)
            | Self::AssignmentReordered(a) => vec![Topic::All, Topic::Project(a.project_uuid)],
            Self::DependencyAdded(d) | Self::DependencyRemoved(d) => {
                vec![Topic::All, Topic::Project(d.project_uuid)]
            }
        }
    }
}
