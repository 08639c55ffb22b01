//! Projects and their templates, the task library, assignments of tasks to projects, and what depends on what.

use uuid::Uuid;

use crate::derive::{Event, Payload, Topic};

/// Where project events appear.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "projects")]
pub enum Topic {
    /// Everything.
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

/// A project, or the template of one.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Project(uuid), Templates if is_template))]
pub struct Project {
    /// Which one.
    pub uuid: Uuid,
    /// Whether it is a template.
    pub is_template: Option<bool>,
}

/// A task of the library.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Tasks))]
pub struct Task {
    /// Which one.
    pub uuid: Uuid,
}

/// A task's place in a project.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Project(project_uuid)))]
pub struct Assignment {
    /// Which one; none when the order of several changed.
    pub uuid: Option<Uuid>,
    /// The project that it belongs to.
    pub project_uuid: Uuid,
}

/// One assignment waits for another.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(All, Project(project_uuid)))]
pub struct Dependency {
    /// The assignment that waits.
    pub assignment_uuid: Option<Uuid>,
    /// The assignment that it waits for.
    pub depends_on_uuid: Option<Uuid>,
    /// The project that both belong to.
    pub project_uuid: Uuid,
}

/// What happens to projects.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
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
