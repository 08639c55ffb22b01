//! The tenants that the hub has used lately. It is a cache of their rows, and tells which rows may be removed.
//!
//! The hub follows all of its tenants about once a second. So a tenant that was not used between two ends of
//! [`trim`](tidings_hub::journal::Journal::trim), which are some seconds apart, is none of the hub's. The cache has as many
//! tenants as the hub has, and those that have left it since.

use std::collections::HashMap;

use tidings_hub::TenantId;

use super::tenants::Tenant;

/// Tenants in two generations.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: HashMap<TenantId, Tenant>,
    old: HashMap<TenantId, Tenant>,
}

impl Known {
    /// Returns a tenant that is used now.
    pub(super) fn used(&mut self, name: &TenantId) -> Option<&Tenant> {
        if !self.young.contains_key(name) {
            let (name, tenant) = self.old.remove_entry(name)?;
            self.young.insert(name, tenant);
        }
        self.young.get(name)
    }

    /// Returns a tenant.
    pub(super) fn get(&self, name: &TenantId) -> Option<&Tenant> {
        self.young.get(name).or_else(|| self.old.get(name))
    }

    /// Adds a tenant that is used now, or what has changed in it.
    pub(super) fn insert(&mut self, name: TenantId, tenant: Tenant) {
        self.young.insert(name, tenant);
    }

    /// Notes what has changed in a tenant. This is no use of the tenant.
    pub(super) fn update(&mut self, name: &TenantId, tenant: Tenant) {
        for generation in [&mut self.young, &mut self.old] {
            if let Some(known) = generation.get_mut(name) {
                known.clone_from(&tenant);
            }
        }
    }

    /// Begins a generation. Forgets the tenants that were not used in the last one.
    pub(super) fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    /// Returns all tenants.
    pub(super) fn into_all(self) -> HashMap<TenantId, Tenant> {
        let mut all = self.old;
        all.extend(self.young);
        all
    }
}
