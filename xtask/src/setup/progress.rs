//! The lines that say what is being installed, how long it usually takes, and how much is left.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{LANES, Need};

/// Counts the installations, and estimates how long the rest takes.
#[derive(Debug)]
pub(super) struct Progress {
    installations: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begun: usize,
    /// The usual seconds of the installations of each lane that have not ended.
    left: [u64; LANES],
    has_failed: bool,
}

impl Progress {
    /// Expects these installations, by lane.
    pub(super) fn new(lanes: &[Vec<&Need>; LANES]) -> Self {
        let left = lanes.each_ref().map(|lane| lane.iter().map(|need| need.usually).sum());
        let installations = lanes.iter().map(Vec::len).sum();
        Self { installations, state: Mutex::new(State { begun: 0, left, has_failed: false }) }
    }

    /// Counts an installation that begins, prints what it does, and returns its mark ("3/7"). Returns `None` once an
    /// installation has failed.
    pub(super) fn begin(&self, need: &Need) -> Option<String> {
        let mut state = self.state();
        if state.has_failed {
            return None;
        }
        state.begun += 1;
        let mark = format!("{}/{}", state.begun, self.installations);
        println!("setup {mark}  {}", description(need, &state.left));
        Some(mark)
    }

    /// Takes an installation that has ended out of the estimate.
    pub(super) fn end(&self, need: &Need, is_success: bool) {
        let mut state = self.state();
        state.left[need.lane as usize] -= need.usually;
        state.has_failed |= !is_success;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lanes work side by side, so the longest one decides how much is left.
fn description(need: &Need, left: &[u64; LANES]) -> String {
    let left = about(left.iter().copied().max().unwrap_or_default());
    format!("{}: {} (usually {}; about {left} left)", need.name, need.how, about(need.usually))
}

/// A duration as a person would say it.
fn about(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{seconds} s"),
        _ => format!("{} min", (seconds + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::{BROWSER, CARGO_DENY, NPM_DEMO};

    #[test]
    fn a_line_tells_the_usual_time_and_the_rest_of_the_longest_lane() {
        let need = Need { usually: 40, ..CARGO_DENY };
        assert_eq!(
            description(&need, &[150, 9, 30]),
            "cargo-deny: building it from source (usually 40 s; about 3 min left)"
        );
    }

    #[test]
    fn nothing_begins_after_a_failure() {
        let progress = Progress::new(&[vec![&CARGO_DENY], vec![&NPM_DEMO], vec![&BROWSER]]);
        assert_eq!(progress.begin(&CARGO_DENY).as_deref(), Some("1/3"));
        assert_eq!(progress.begin(&NPM_DEMO).as_deref(), Some("2/3"));
        progress.end(&NPM_DEMO, false);
        assert_eq!(progress.begin(&BROWSER), None);
        progress.end(&CARGO_DENY, true);
    }

    #[test]
    fn long_times_are_told_in_minutes() {
        assert_eq!(["45 s", "2 min", "3 min"].map(str::to_owned), [45, 90, 151].map(about));
    }
}
