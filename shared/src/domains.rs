//! The domains that ship. Each is one file. Copy one to make a domain of your own.

pub mod catalogue;
pub mod crm;
pub mod projects;
pub mod staff;
pub mod store;

use crate::schema::DomainSchema;

/// The five domains that ship.
pub const SHIPPED: [DomainSchema; 5] = [
    DomainSchema::of::<catalogue::Event>(),
    DomainSchema::of::<staff::Event>(),
    DomainSchema::of::<projects::Event>(),
    DomainSchema::of::<crm::Event>(),
    DomainSchema::of::<store::Event>(),
];

#[cfg(test)]
mod tests;
