//! The records of the API, as the page gets them. `www/src/records.ts` has the same as TypeScript: a test makes it from these
//! structs.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A struct or an enum of the API.
macro_rules! record {
    ($($item:item)*) => {$(
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        $item
    )*};
}

// Staff.
record! {
    pub(crate) struct Department {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) description: String,
    }

    pub(crate) struct DepartmentRow {
        #[serde(flatten)]
        pub(crate) department: Department,
        /// How many there are.
        pub(crate) teams: u32,
    }

    pub(crate) struct DepartmentDetail {
        #[serde(flatten)]
        pub(crate) department: Department,
        pub(crate) teams: Vec<TeamOfDepartment>,
    }

    pub(crate) struct TeamOfDepartment {
        #[serde(flatten)]
        pub(crate) team: Team,
        /// How many there are.
        pub(crate) members: u32,
    }

    pub(crate) struct Team {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) purpose: String,
        pub(crate) department_uuid: Option<Uuid>,
    }

    pub(crate) struct TeamRow {
        #[serde(flatten)]
        pub(crate) team: Team,
        pub(crate) department_name: Option<String>,
        /// How many there are.
        pub(crate) members: u32,
    }

    pub(crate) struct TeamDetail {
        #[serde(flatten)]
        pub(crate) team: TeamWithDepartment,
        pub(crate) members: Vec<Member>,
    }

    pub(crate) struct TeamWithDepartment {
        #[serde(flatten)]
        pub(crate) team: Team,
        pub(crate) department_name: Option<String>,
    }

    pub(crate) struct Member {
        /// The membership.
        pub(crate) uuid: Uuid,
        pub(crate) person_uuid: Uuid,
        pub(crate) name: String,
        pub(crate) role: String,
    }

    pub(crate) struct Membership {
        pub(crate) uuid: Uuid,
        pub(crate) team_uuid: Uuid,
        pub(crate) person_uuid: Uuid,
    }

    pub(crate) struct Person {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) role: String,
        pub(crate) email: String,
    }

    pub(crate) struct PersonRow {
        #[serde(flatten)]
        pub(crate) person: Person,
        /// The names, with commas between them.
        pub(crate) team_names: Option<String>,
    }

    pub(crate) struct PersonDetail {
        #[serde(flatten)]
        pub(crate) person: Person,
        pub(crate) teams: Vec<TeamOfPerson>,
    }

    pub(crate) struct TeamOfPerson {
        /// The membership.
        pub(crate) uuid: Uuid,
        pub(crate) team_uuid: Uuid,
        pub(crate) name: String,
        pub(crate) purpose: String,
    }
}

// Projects.
record! {
    #[derive(Copy)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum ProjectStatus {
        Planned,
        Active,
        OnHold,
        Completed,
    }

    pub(crate) struct Project {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) summary: String,
        pub(crate) lead_uuid: Option<Uuid>,
        pub(crate) lead_name: Option<String>,
        pub(crate) status: ProjectStatus,
        pub(crate) is_template: bool,
        pub(crate) is_archived: bool,
    }

    pub(crate) struct ProjectRow {
        #[serde(flatten)]
        pub(crate) project: Project,
        /// How many there are.
        pub(crate) assignments: u32,
        /// How many of them are done.
        pub(crate) done: u32,
    }

    pub(crate) struct ProjectDetail {
        #[serde(flatten)]
        pub(crate) project: Project,
        /// In their order.
        pub(crate) assignments: Vec<Assignment>,
    }

    pub(crate) struct Assignment {
        pub(crate) uuid: Uuid,
        pub(crate) task_uuid: Uuid,
        pub(crate) title: String,
        pub(crate) person_uuid: Option<Uuid>,
        pub(crate) person_name: Option<String>,
        pub(crate) is_done: bool,
    }

    pub(crate) struct Task {
        pub(crate) uuid: Uuid,
        pub(crate) title: String,
        pub(crate) notes: String,
    }

    pub(crate) struct TaskRow {
        #[serde(flatten)]
        pub(crate) task: Task,
        /// How many use it.
        pub(crate) projects: u32,
    }

    pub(crate) struct TaskDetail {
        #[serde(flatten)]
        pub(crate) task: Task,
        pub(crate) projects: Vec<ProjectOfTask>,
    }

    pub(crate) struct ProjectOfTask {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) status: ProjectStatus,
        pub(crate) is_template: bool,
        pub(crate) is_archived: bool,
    }
}

// Catalogue.
record! {
    pub(crate) struct Catalogue {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) description: String,
    }

    pub(crate) struct CatalogueRow {
        #[serde(flatten)]
        pub(crate) catalogue: Catalogue,
        /// How many there are.
        pub(crate) items: u32,
    }

    pub(crate) struct CatalogueDetail {
        #[serde(flatten)]
        pub(crate) catalogue: Catalogue,
        pub(crate) categories: Vec<Category>,
        pub(crate) items: Vec<Item>,
    }

    pub(crate) struct Category {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        /// How many there are.
        pub(crate) items: u32,
    }

    pub(crate) struct Manufacturer {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        /// How many there are.
        pub(crate) items: u32,
    }

    pub(crate) struct Item {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) sku: String,
        pub(crate) price_cents: u32,
        pub(crate) stock: u32,
        pub(crate) catalogue_uuid: Uuid,
        pub(crate) catalogue_name: String,
        pub(crate) category_uuid: Option<Uuid>,
        pub(crate) category_name: Option<String>,
        pub(crate) manufacturer_uuid: Option<Uuid>,
        pub(crate) manufacturer_name: Option<String>,
    }
}

// Contacts.
record! {
    pub(crate) struct Contact {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
        pub(crate) company: String,
        pub(crate) email: String,
        pub(crate) phone: String,
    }

    #[derive(Copy)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum InteractionKind {
        Call,
        Email,
        Meeting,
        Note,
    }

    pub(crate) struct Interaction {
        #[serde(flatten)]
        pub(crate) interaction: ToldInteraction,
        /// Who took part.
        pub(crate) parties: Vec<Party>,
    }

    pub(crate) struct ToldInteraction {
        pub(crate) uuid: Uuid,
        /// The contact whom it is about.
        pub(crate) subject_uuid: Uuid,
        pub(crate) subject_name: String,
        pub(crate) kind: InteractionKind,
        pub(crate) summary: String,
        /// In milliseconds since 1970.
        pub(crate) happened_at: u64,
    }

    pub(crate) struct Party {
        pub(crate) uuid: Uuid,
        pub(crate) name: String,
    }
}

// Links.
record! {
    /// A row of `links`, as the API and the events of the bridge have it.
    pub(crate) struct Link {
        pub(crate) id: u64,
        pub(crate) title: String,
        pub(crate) url: String,
        pub(crate) note: String,
        pub(crate) tags: Vec<String>,
        pub(crate) votes: u64,
    }

    pub(crate) struct Database {
        /// The path of the SQLite file.
        pub(crate) file: String,
    }
}

#[cfg(test)]
mod tests;
