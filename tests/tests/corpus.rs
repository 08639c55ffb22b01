//! The fuzz targets' seeds go through the targets' bodies in every run of the tests, with and without a fuzzer.

use std::{fs, path::Path};

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a module here is a library there")]
mod bodies;

#[test]
fn every_target_takes_its_seeds_and_those_of_the_others() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut seeds = Vec::new();
    for (target, _) in bodies::TARGETS {
        let before = seeds.len();
        for seed in fs::read_dir(corpus.join(target)).expect("a target has seeds") {
            let bytes = fs::read(seed.expect("a seed is a file").path()).expect("a seed can be read");
            seeds.push(String::from_utf8(bytes).expect("a seed is text"));
        }
        assert!(seeds.len() > before, "{target} has no seeds");
    }
    for (_, body) in bodies::TARGETS {
        seeds.iter().for_each(|seed| body(seed));
    }
    // A peer may send many seeds, one after the other.
    bodies::session(&seeds.join("\n"));
    for pair in seeds.windows(3) {
        bodies::session(&format!("{{\"op\":\"hello\"}}\n{}", pair.join("\n")));
    }
}

#[test]
fn what_takes_any_bytes_takes_its_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (target, body) in bodies::BYTES_TARGETS {
        let seeds = fs::read_dir(corpus.join(target)).expect("a target has seeds");
        let seeds: Vec<_> = seeds.map(|seed| fs::read(seed.expect("a seed is a file").path())).collect();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for seed in seeds {
            body(&seed.expect("a seed can be read"));
        }
    }
}
