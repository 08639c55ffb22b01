//! Waiting for a tenant's history.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use super::shared::Shared;
use crate::{
    tenant_id::TenantId,
    tenant_log::{Loading, Reaching, TenantLog},
};

/// A wait until this node has a tenant's history, up to a position of a client.
#[must_use = "await it"]
pub struct CatchingUp {
    shared: Arc<Shared>,
    tenant: TenantId,
    log: TenantLog,
    loading: Loading,
    since: Option<String>,
    reaching: Option<Reaching>,
}

impl CatchingUp {
    pub(super) fn new(shared: Arc<Shared>, tenant: &TenantId, since: Option<&str>) -> Self {
        let log = shared.tenant_log(tenant);
        let loading = log.loading();
        Self { shared, tenant: tenant.clone(), log, loading, since: since.map(str::to_owned), reaching: None }
    }

    /// Returns whether it waits, or has waited, for a position that this node does not have yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.reaching.as_ref().is_some_and(|reaching| reaching.is_behind())
    }

    /// Returns `Ready` when the history is here. `waker` is woken then.
    pub(crate) fn poll_ready(&mut self, waker: &Waker) -> Poll<()> {
        ready!(self.loading.poll(waker));
        if let (Some(since), Some(outgoing)) = (self.since.take(), &self.shared.outgoing) {
            self.reaching = self.log.reaching(&since);
            if let Some(reaching) = &mut self.reaching {
                // The wait begins before the driver reads the journal again.
                let _ = reaching.poll(waker);
                outgoing.follow(&self.tenant);
            }
        }
        match &mut self.reaching {
            Some(reaching) => reaching.poll(waker),
            None => Poll::Ready(()),
        }
    }
}

impl Future for CatchingUp {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready(cx.waker())
    }
}

impl fmt::Debug for CatchingUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchingUp").field("since", &self.since).finish_non_exhaustive()
    }
}
