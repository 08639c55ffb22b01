//! When a whole tenant loads again. Pure: the time is an argument.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tidings_hub::TenantId;

/// Time between two gaps of a whole tenant: all its pages load everything again. One gap covers all dead letters that came
/// before it.
pub(crate) const TENANT_GAP_INTERVAL: Duration = Duration::from_secs(1);

/// The tenants that had a gap within the last interval.
#[derive(Debug, Default)]
pub(crate) struct TenantGaps(HashMap<TenantId, Instant>);

impl TenantGaps {
    /// Returns whether the tenant may have a gap now, and notes it. Otherwise returns when it may.
    pub(crate) fn take(&mut self, tenant: &TenantId, now: Instant) -> Result<(), Instant> {
        self.0.retain(|_, last| now < *last + TENANT_GAP_INTERVAL);
        match self.0.get(tenant) {
            Some(last) => Err(*last + TENANT_GAP_INTERVAL),
            None => {
                self.0.insert(tenant.clone(), now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_one_gap_a_second_and_no_tenant_waits_for_another() {
        let (mut gaps, start) = (TenantGaps::default(), Instant::now());
        let tenant = |name: &str| TenantId::parse(name).unwrap();
        assert_eq!(gaps.take(&tenant("a"), start), Ok(()));
        assert_eq!(
            gaps.take(&tenant("a"), start + Duration::from_millis(999)),
            Err(start + TENANT_GAP_INTERVAL)
        );
        assert_eq!(gaps.take(&tenant("b"), start + Duration::from_millis(999)), Ok(()));
        assert_eq!(gaps.take(&tenant("a"), start + TENANT_GAP_INTERVAL), Ok(()));
        assert_eq!(gaps.take(&tenant("c"), start + 3 * TENANT_GAP_INTERVAL), Ok(()));
        assert_eq!(gaps.0.len(), 1, "a tenant is forgotten after the interval");
    }
}
