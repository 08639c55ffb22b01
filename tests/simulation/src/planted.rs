//! Bugs are planted, one at a time, and the simulation has to find each, by an invariant that it breaks.

use tidings_shared::planted::{Bug, plant};

use crate::{
    config::Config,
    invariant::Invariant::{self, *},
    rng::Rng,
    world::run,
};

/// Seeds after which a bug counts as not found. All were found in the first `crate::SEEDS`; but any change of the code
/// shuffles what a seed comes by, and the rarest shows in one of a hundred.
const SEEDS: u64 = 1_000;

/// Fails unless one of the seeds shows the bug, by one of these invariants.
fn is_found(bug: Bug, by: &[Invariant], draw: fn(&mut Rng) -> Config) {
    plant(Some(bug));
    let found = (0..SEEDS).find_map(|seed| run(seed, draw, false).err());
    let Some(failure) = found else { panic!("no seed up to {SEEDS} shows {bug:?}") };
    let invariant = failure.broken.invariant;
    println!(
        "{bug:?}: {invariant:?} in seed {}, step {}: {}",
        failure.seed, failure.step, failure.broken.how
    );
    assert!(by.contains(&invariant), "{bug:?} shows in another way than {by:?}: {failure}");
}

macro_rules! planted {
    ($($name:ident: $bug:ident by [$($invariant:ident),+];)+) => {
        $(#[test]
        fn $name() {
            is_found(Bug::$bug, &[$($invariant),+], Config::draw);
        })+
    };
}

planted! {
    a_subscribe_that_is_acknowledged_early_is_found: AcknowledgedEarly by [CaughtUp, NoHole];
    an_evicted_offset_that_is_ignored_is_found: EvictedIgnored by [CaughtUp, NoHole];
    an_epoch_that_outlives_its_log_is_found: EpochKept by [NoHole];
    a_tag_that_is_not_compared_is_found: TagSkipped by [NoHole, TruePosition];
    a_lag_that_is_swallowed_is_found: LagSwallowed by [CaughtUp, NoHole];
    a_needless_sync_is_found: SyncedInVain by [SyncHasReason];
    a_needless_load_is_found: LoadedInVain by [LoadHasReason];
    a_connection_that_lingers_for_ever_is_found: LingersForEver by [LetsGo];
    a_pause_that_is_forgotten_is_found: PauseForgotten by [LoadsPause];
    a_resume_that_repeats_is_found: ResumeRepeats by [InOrderOnce];
    a_key_that_is_forgotten_is_found: KeyForgotten by [OneKeyOnePublication];
    a_lost_wake_is_found: WakeLost by [CaughtUp];
    a_fall_that_is_not_noticed_is_found: FallUnnoticed by [CaughtUp];
    a_place_that_is_forgotten_is_found: PlaceForgotten by [InOrderOnce];
    a_rest_that_is_dropped_is_found: RestDropped by [WholeFrames];
    a_second_delivery_is_found: DeliveredTwice by [InOrderOnce];
    a_batch_that_is_overtaken_is_found: BatchOvertaken by [InOrderOnce, NoHole, SyncHasReason];
    bytes_of_another_batch_are_found: GatheredKept by [InOrderOnce, NoHole, NoPanic];
    a_loss_that_is_ignored_is_found: LossIgnored by [CaughtUp, NoHole];
    what_is_left_to_nobody_is_found: LeftUnread by [CaughtUp, NoHole];
    a_right_that_is_kept_is_found: RevokedKept by [Rights];
    topics_that_leak_are_found: TopicsLeaked by [Rights];
    tenants_that_mix_are_found: TenantsMixed by [NothingInvented, TruePosition];
    a_follower_that_stays_is_found: FollowerLeaked by [NothingLeft];
    a_last_change_that_is_missed_is_found: LastChangeMissed by [NothingLeft, InOrderOnce, Rights];
    a_bound_that_is_not_kept_is_found: BoundIgnored by [Bounds];
    garbage_that_spills_is_found: GarbageSpills by [FaultsStayAlone];
    a_session_that_reads_on_between_frames_is_found: PauseIgnored by [OneResume, SyncHasReason];
    a_session_that_is_written_to_between_frames_is_found: PausedLive by [OneResume, InOrderOnce];
    a_ping_that_boasts_is_found: PingBoasts by [NoHole];
    a_key_that_is_renewed_is_found: KeyRenewed by [Acknowledged];
    a_retry_that_is_forgotten_is_found: RetryForgotten by [Answered];
    room_that_is_forgotten_is_found: RoomForgotten by [Answered];
    a_position_that_is_kept_is_found: PositionKept by [ResumesFromItsPosition];
    a_sync_that_is_dropped_is_found: SyncDropped by [NoHole];
    an_answer_that_is_mixed_up_is_found: AnswerMixedUp by [NoHole];
}

/// Also where only clients are looked at: so it is not that sessions are held to more than matters.
#[test]
fn clients_alone_show_what_sessions_do_wrong() {
    let missed = [NoHole, ViewsConverge];
    for bug in
        [Bug::AcknowledgedEarly, Bug::EvictedIgnored, Bug::EpochKept, Bug::TagSkipped, Bug::LagSwallowed]
    {
        is_found(bug, &missed, Config::black_box);
    }
    is_found(Bug::PingBoasts, &missed, Config::pings);
    is_found(Bug::ResumeRepeats, &[InOrderOnce], Config::black_box);
}

#[test]
fn a_ping_that_is_believed_too_early_is_found() {
    is_found(Bug::PingBelieved, &[ResumesFromItsPosition], Config::pings);
}

#[test]
fn topics_that_are_left_behind_in_a_resume_are_found() {
    is_found(Bug::LeftBehind, &[NoHole, ViewsConverge], Config::old_servers);
}

#[test]
fn a_load_that_begins_early_is_found() {
    is_found(Bug::LoadedEarly, &[ViewsConverge], Config::draw);
    is_found(Bug::LoadedEarly, &[ViewsConverge], Config::around_load);
}
