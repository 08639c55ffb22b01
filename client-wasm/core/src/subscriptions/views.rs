//! Views: watched subscriptions, and the loads of their data.
//!
//! A load begins after the core has given out all its outputs. So 200 rows that hear of one event cause one load. A
//! subscription that joins a view later causes another load: the data so far may leave out something that the others were not
//! interested in.

use super::{Subscription, Subscriptions, find};
use crate::{
    LoadId, Now, Output, Payload, SubscriptionId,
    watch::{Watch, Watching},
};

/// The id of the first subscription of the view.
pub(super) type ViewId = SubscriptionId;

/// One or more watched subscriptions that share their loads.
#[derive(Debug)]
pub(super) struct View {
    pub(super) id: ViewId,
    members: Vec<SubscriptionId>,
    pub(super) watch: Watch,
}

impl Subscriptions {
    /// Adds a subscription to the view that it shares, or makes a view for it.
    pub(super) fn join_view(&mut self, id: SubscriptionId, watching: Watching, now: Now) -> ViewId {
        let Watching { min_interval_ms, shares } = watching;
        let shared = shares.and_then(|other| find(&mut self.subscriptions, other)?.view);
        if let Some(view) = shared.and_then(|view| find_view(&mut self.views, view)) {
            view.members.push(id);
            // It has heard nothing so far, and the loaded data may lack something that only this subscription needs.
            view.watch.joined();
            return view.id;
        }
        self.views.push(View { id, members: vec![id], watch: Watch::new(min_interval_ms, now) });
        id
    }

    /// Removes a subscription from its view.
    pub(super) fn leave_view(&mut self, subscription: &Subscription) {
        if let Some(view) = subscription.view.and_then(|view| find_view(&mut self.views, view)) {
            view.members.retain(|member| *member != subscription.id);
            self.views.retain(|view| !view.members.is_empty());
        }
    }

    /// Returns the loads of a subscription's view, if the subscription is watched.
    pub(crate) fn watch(&mut self, id: SubscriptionId) -> Option<&mut Watch> {
        let view = find(&mut self.subscriptions, id)?.view?;
        Some(&mut find_view(&mut self.views, view)?.watch)
    }

    /// Returns the loads of each view.
    pub(crate) fn watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.views.iter_mut().map(|view| &mut view.watch)
    }

    /// Returns when [`Self::begin_load`] has something to do.
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        self.views.iter().filter_map(|view| view.watch.timeout_ms()).min()
    }

    /// Begins a load that is due.
    pub(crate) fn begin_load<P: Payload>(&mut self, now: Now) -> Option<Output<P>> {
        let load = LoadId(self.last_load + 1);
        let View { members, .. } =
            self.views.iter_mut().find_map(|view| view.watch.begin(load, now).then_some(view))?;
        self.last_load = load.0;
        members.first().map(|&subscription| Output::Load { subscription, load })
    }
}

pub(super) fn find_view(views: &mut [View], id: ViewId) -> Option<&mut View> {
    let index = views.binary_search_by_key(&id, |view| view.id).ok()?;
    views.get_mut(index)
}
