//! Each bug of `tests/planted` is planted, and the simulation must find it by an invariant that the bug breaks.
//!
//! `cargo xtask test planted` compiles these tests in a copy of the sources, which has the bugs and the list of them.

use tidings_shared::planted::{Bug, plant};

use crate::{
    config::Config,
    invariant::Invariant::{self, *},
    rng::Rng,
    world::run,
};

/// The number of seeds after which a bug counts as not found. The rarest bug shows in one of a hundred seeds.
const SEEDS: u64 = 1_000;

/// Fails unless a seed shows the bug, and breaks one of these invariants first.
fn is_found(bug: Bug, by: &[Invariant], draw: fn(&mut Rng) -> Config) {
    plant(bug);
    let found = (0..SEEDS).find_map(|seed| run(seed, draw, false).err());
    let Some(failure) = found else {
        panic!("no seed up to {SEEDS} shows {bug:?}: an invariant is missing, or this is no bug")
    };
    let invariant = failure.broken.invariant;
    println!(
        "{bug:?}: {invariant:?} in seed {}, step {}: {}",
        failure.seed, failure.step, failure.broken.how
    );
    assert!(by.contains(&invariant), "{bug:?} breaks {invariant:?} first, and none of {by:?}: {failure}");
}

macro_rules! planted {
    ($($bug:ident: $($draw:ident by [$($invariant:ident),+]),+;)+) => {
        $(#[test]
        #[allow(non_snake_case, reason = "it has the name of the bug")]
        fn $bug() {
            $(is_found(Bug::$bug, &[$($invariant),+], Config::$draw);)+
        })+
    };
}

include!("planted/bugs.rs");
