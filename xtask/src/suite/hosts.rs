//! The suites of `tidings serve` against an application of axum that embeds the gateway: `tests/host`. It has the command
//! line of `tidings`, so the tests drive it as they drive `tidings`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::cargo;
use crate::cmd::Cmd;
use crate::project::Project;

/// The modules of `e2e` that each `cargo xtask test` runs, with all of `conformance`.
const MODULES: [&str; 8] =
    ["drain::", "hostile::", "publish::", "resume::", "revocation::", "subscribe::", "tenants::", "tokens::"];

/// A program of `tests/host`.
struct Host {
    program: &'static str,
    /// The tests of `e2e` that can't hold for it. Each of them fails.
    without: &'static [Without],
}

/// Tests that an application is without, and why.
struct Without {
    why: &'static str,
    tests: &'static [&'static str],
}

const HOSTS: [Host; 2] =
    [Host { program: "host-serve", without: &[] }, Host { program: "host-service", without: &SERVICE }];

/// Tests that say nothing about an application.
const NEITHER: [Without; 2] = [
    Without { why: "the commands of the README name `tidings`", tests: &["readme::"] },
    Without {
        why: "the memory of the process is also SQLite's and that of its threads",
        tests: &["many_topics::a_crowd_with_a_thousand_topics_each_costs_little_and_comes_back_at_once"],
    },
];

/// What `gateway.service()` leaves to the application's server.
const SERVICE: [Without; 7] = [
    Without {
        why: "deadlines of request heads, and the time of a hello from the first byte of its request on",
        tests: &[
            "handshakes::of_500_slow_handshakes_all_are_closed_in_10_seconds_and_a_good_client_connects_in_200_ms_meanwhile",
            "kept::an_idle_connection_ends_after_the_time_that_was_set_and_a_head_that_has_begun_after_the_header_deadline",
            "limits::a_header_that_does_not_come_ends_the_connection",
            "limits::a_hello_has_its_time_from_the_first_byte_of_its_request_on_and_half_of_it_from_the_last",
        ],
    },
    Without {
        why: "the size of request heads",
        tests: &[
            "comeback::a_stream_that_could_not_come_back_for_the_size_of_its_header_is_refused_at_once",
            "http::a_header_of_more_than_16_kib_or_what_was_set_is_refused",
            "many_topics::topics_that_do_not_fit_the_header_are_refused_with_the_setting_that_bounds_it",
        ],
    },
    Without { why: "the versions of HTTP", tests: &["http::only_http_1_is_spoken"] },
    Without {
        why: "permits of connections",
        tests: &[
            "comeback::a_stream_that_there_is_no_room_for_is_told_to_come_back_later",
            "descriptors::a_server_without_a_descriptor_for_another_connection_waits_and_serves_who_is_there",
            "descriptors::connections_stay_32_below_the_limit_of_files_the_rest_is_refused_and_nobody_is_evicted",
            "limits::beyond_the_cap_connections_are_told_to_come_back_and_nobody_is_evicted",
        ],
    },
    Without {
        why: "limits of addresses",
        tests: &[
            "operate::a_client_behind_a_trusted_proxy_has_so_many_connections_and_others_have_theirs",
            "operate::a_proxy_may_write_its_client_with_a_port_and_what_is_no_address_is_that_of_one_client",
        ],
    },
    Without {
        why: "write deadlines of answers, and connections that belong to an event stream alone",
        tests: &[
            "events::a_listener_gets_what_a_session_gets_and_each_event_once",
            "events::a_listener_that_sends_without_end_is_cut",
            "limits::an_http_client_that_never_reads_its_answers_is_cut_off",
        ],
    },
    Without {
        why: "what happens to requests for the application's own paths, and to its connections during a drain",
        tests: &[
            "comeback::a_stream_that_comes_back_during_a_drain_is_told_to_come_back_again_and_a_tool_is_refused",
            "http::a_target_without_a_path_is_refused_and_nothing_panics",
            "kept::a_drain_answers_what_arrives_on_connections_that_are_kept_and_ends_each_with_its_answer",
            "kept::the_rest_of_a_body_that_was_refused_is_taken_and_does_not_reset_the_refusal",
            "malformed::a_request_names_its_host_once_and_well_or_is_refused",
            "operate::while_it_drains_a_server_is_alive_and_not_ready_and_refuses_the_rest",
            "proxies::a_refusal_of_a_large_body_arrives_through_caddy",
            "proxies::a_refusal_of_a_large_body_arrives_through_nginx",
        ],
    },
];

/// Runs `conformance` and some modules of `e2e` against each program.
pub(crate) fn run(project: &Project) -> Result<()> {
    let known = known(project)?;
    for module in MODULES {
        ensure!(known.iter().any(|test| test.starts_with(module)), "`e2e` has no tests in `{module}`");
    }
    for host in &HOSTS {
        suite(project, host, "conformance").run()?;
        suite(project, host, "e2e").arg("--").args(MODULES).run()?;
    }
    Ok(())
}

/// Runs `conformance` and all of `e2e` against each program, with so many times the usual rounds. Then it runs the tests
/// that a program is without: none of them may hold.
pub(crate) fn soak(project: &Project, rounds: u64) -> Result<()> {
    let known = known(project)?;
    for host in &HOSTS {
        let without: Vec<&str> = host.without.iter().flat_map(|without| without.tests).copied().collect();
        let unknown: Vec<&&str> = without.iter().filter(|test| !known.contains(**test)).collect();
        ensure!(unknown.is_empty(), "`e2e` has no such tests: {unknown:#?}");
        for Without { why, tests } in NEITHER.iter().chain(host.without) {
            println!("{} is without {} of e2e: {why}", host.program, tests.len());
        }
        suite(project, host, "conformance").run()?;
        let all = suite(project, host, "e2e").env("TIDINGS_ROUNDS", rounds.to_string());
        all.arg("--").args(skip(host)).run()?;
        if without.is_empty() {
            continue;
        }
        let listed = suite(project, host, "e2e").args(["--", "--exact"]).args(&without);
        let output = listed.into_inner().output().context("`cargo` could not be started")?;
        let output = String::from_utf8_lossy(&output.stdout);
        ensure!(output.contains(&format!("running {} tests", without.len())), "not all were run:\n{output}");
        let hold = |test: &&&str| output.contains(&format!("test {test} ... ok"));
        let held: Vec<&&str> = without.iter().filter(hold).collect();
        ensure!(held.is_empty(), "these hold for {}: take them off its list: {held:#?}", host.program);
    }
    Ok(())
}

/// Builds the suites and the programs. Returns the names of all tests of `e2e`.
fn known(project: &Project) -> Result<BTreeSet<String>> {
    // The same features as in the step `rust`, so nothing is compiled twice. A test of `tests/host` builds its programs.
    let tests = ["--test", "own_routes", "--test", "conformance", "--test", "e2e"];
    cargo(project).args(["test", "--workspace", "--locked", "--no-run"]).args(tests).run()?;
    let listed = cargo(project).args(TEST).args(["e2e", "--", "--list"]).read()?;
    Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

const TEST: [&str; 4] = ["test", "--workspace", "--locked", "--test"];

/// Returns the command that runs a suite against a program.
fn suite(project: &Project, host: &Host, name: &str) -> Cmd {
    let program = format!("{}{}", host.program, std::env::consts::EXE_SUFFIX);
    cargo(project).args(TEST).arg(name).env("TIDINGS_BIN", project.target.join("debug").join(program))
}

/// Returns the flags that leave out the tests that a program is without.
fn skip(host: &Host) -> impl Iterator<Item = &'static str> {
    let without = NEITHER.iter().chain(host.without);
    without.flat_map(|without| without.tests).flat_map(|test| ["--skip", *test])
}
