//! Settings of a hub.

use tidings_shared::{Domains, limits::LOGS_MAX_BYTES};

use crate::{log::LogLimits, tenant_id::TenantId, tenant_log::Quotas};

/// Settings of a hub. Start from [`HubSettings::new`].
///
/// ```
/// use tidings_hub::{HubSettings, LogLimits, TenantIdError};
///
/// # fn settings() -> Result<HubSettings, TenantIdError> {
/// let settings = HubSettings::new("acme".parse()?).log(LogLimits::default().max_entries(1_000));
/// # Ok(settings)
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubSettings {
    /// The hub checks the topics and events of these domains.
    pub domains: Domains,
    /// The bounds of each tenant's log.
    pub log: LogLimits,
    /// The quotas of each tenant.
    pub quotas: Quotas,
    /// Bytes of all tenants' logs and remembered keys together. Over this bound, the hub evicts from the largest log.
    pub logs_max_bytes: usize,
    /// The home tenant. The hub's own verbs, such as [`Hub::publish`](crate::Hub::publish), use it.
    pub home: TenantId,
}

impl HubSettings {
    /// Returns settings with the shipped domains and the default bounds.
    pub fn new(home: TenantId) -> Self {
        let (domains, log, quotas) = (Domains::shipped(), LogLimits::default(), Quotas::default());
        Self { domains, log, quotas, logs_max_bytes: LOGS_MAX_BYTES, home }
    }
}

crate::setters!(HubSettings {
    domains: Domains,
    log: LogLimits,
    quotas: Quotas,
    logs_max_bytes: usize,
    home: TenantId,
});
