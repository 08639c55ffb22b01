//! Projects and their templates, the task library, assignments of tasks to projects, and dependencies between them.

use uuid::Uuid;

use crate::derive::{Event, Payload, Topic};

/// The topics of projects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "projects")]
pub enum Topic {
    /// All changes.
    #[topic("all")]
    All,
    /// The task library.
    #[topic("tasks")]
    Tasks,
    /// Project templates.
    #[topic("templates")]
    Templates,
    /// One project, with its assignments and dependencies.
    #[topic("project:{uuid}")]
    Project(Uuid),
}

/// A project or a project template.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Project(uuid), Templates if is_template))]
pub struct Project {
    /// The project's id.
    pub uuid: Uuid,
    /// Whether it is a template.
    pub is_template: Option<bool>,
}

/// A task of the library.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Tasks))]
pub struct Task {
    /// The task's id.
    pub uuid: Uuid,
}

/// An assignment of a task to a project.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Project(project_uuid)))]
pub struct Assignment {
    /// The assignment. Absent if the order of several changed.
    pub uuid: Option<Uuid>,
    /// Its project.
    pub project_uuid: Uuid,
}

/// A dependency between two assignments.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Project(project_uuid)))]
pub struct Dependency {
    /// The assignment that waits.
    pub assignment_uuid: Option<Uuid>,
    /// The assignment that it waits for.
    pub depends_on_uuid: Option<Uuid>,
    /// The project of both.
    pub project_uuid: Uuid,
}

/// The changes of projects.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
pub enum Event {
    /// A project was created.
    ProjectCreated(Project),
    /// A project changed.
    ProjectUpdated(Project),
    /// A project was deleted.
    ProjectDeleted(Project),
    /// Work on a project began.
    ProjectStarted(Project),
    /// A project was completed.
    ProjectCompleted(Project),
    /// A completed project was reopened.
    ProjectReopened(Project),
    /// A project was archived.
    ProjectArchived(Project),
    /// A project was taken out of the archive.
    ProjectUnarchived(Project),
    /// A project's status changed, and no other event describes the change.
    ProjectStatusChanged(Project),
    /// A task was created.
    TaskCreated(Task),
    /// A task changed.
    TaskUpdated(Task),
    /// A task was deleted.
    TaskDeleted(Task),
    /// An assignment was created.
    AssignmentCreated(Assignment),
    /// An assignment changed.
    AssignmentUpdated(Assignment),
    /// An assignment was deleted.
    AssignmentDeleted(Assignment),
    /// The order of a project's assignments changed.
    AssignmentReordered(Assignment),
    /// An assignment waits for another.
    DependencyAdded(Dependency),
    /// An assignment no longer waits for another.
    DependencyRemoved(Dependency),
}
