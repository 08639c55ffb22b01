//! Sessions with more topics than a frame: a page with a table of hundreds of rows.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_client_core::Output;
use tidings_shared::limits::SUBSCRIBE_PAUSE;
use tidings_tests::{Client, EventStream, Request, Server, Tab, rounds, sample};

/// A table that fills eight frames, the last one in part.
const ROWS: usize = 1_000;

/// Topics of a frame.
const FRAME: usize = 128;

fn rows() -> Vec<String> {
    (0..ROWS).map(|row| format!("rows:{row}")).collect()
}

/// Subscribes in several frames, which are sent at once, and gives their answers.
fn subscribe(client: &mut Client, topics: &[String], since: Option<&str>, says_more: bool) -> Vec<Value> {
    let frames: Vec<&[String]> = topics.chunks(FRAME).collect();
    for (n, topics) in frames.iter().enumerate() {
        let mut frame = json!({ "op": "subscribe", "ref": n, "topics": topics });
        if let Some(since) = since {
            frame["since"] = json!(since);
        }
        if says_more && n + 1 < frames.len() {
            frame["more"] = json!(true);
        }
        client.send(&frame);
    }
    (0..frames.len()).map(|_| client.expect("subscribed")).collect()
}

/// How many topics have each outcome.
fn outcomes(answers: &[Value]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for topic in answers.iter().flat_map(|answer| answer["topics"].as_array().unwrap()) {
        let outcome = topic["outcome"].as_str().unwrap();
        match counts.iter_mut().find(|(known, _)| known == outcome) {
            Some((_, count)) => *count += 1,
            None => counts.push((outcome.to_owned(), 1)),
        }
    }
    counts
}

fn counted(outcome: &str, count: usize) -> (String, usize) {
    (outcome.to_owned(), count)
}

#[test]
fn a_thousand_topics_resume_in_several_frames_and_nothing_is_missed_between_them() {
    let server = Server::start();
    let rows = rows();
    let mut client = Client::hello(&server);
    let answers = subscribe(&mut client, &rows, None, false);
    assert_eq!(outcomes(&answers), [counted("live", ROWS)]);
    let since = answers.last().unwrap()["position"].as_str().unwrap().to_owned();
    client.close();
    // One of each frame, and some of the last of all.
    let missed: Vec<usize> = (0..ROWS).step_by(97).chain([ROWS - 1, 0]).collect();
    for (number, row) in missed.iter().enumerate() {
        server.publish_to(&rows[*row], &sample::ticked(number));
    }
    let mut client = Client::hello(&server);
    let answers = subscribe(&mut client, &rows, Some(&since), true);
    assert_eq!(outcomes(&answers), [counted("resumed", ROWS)]);
    assert!(answers.iter().all(|answer| answer["position"] == json!(since)), "one position for all");
    for (number, row) in missed.iter().enumerate() {
        let event = client.expect("event");
        assert_eq!(event["event"]["payload"]["number"], json!(number));
        assert_eq!(event["topics"], json!([rows[*row]]));
    }
    // And it is live.
    server.publish_to(&rows[500], &sample::ticked(7));
    assert_eq!(client.expect("event")["topics"], json!([rows[500]]));
}

#[test]
fn a_tab_resumes_a_thousand_topics_and_misses_nothing() {
    let server = Server::start();
    let mut tab = Tab::new(server.address());
    let rows = rows();
    let all: Vec<&str> = rows.iter().map(String::as_str).collect();
    let table = tab.subscribed(&all);
    let each: Vec<_> = all[..200].iter().map(|row| tab.subscribed(&[row])).collect();
    for round in 1..=3 {
        tab.cut();
        let missed = [ROWS - round, 0, 131 * round];
        for (number, row) in missed.iter().enumerate() {
            server.publish_to(&rows[*row], &sample::ticked(number));
        }
        let (mut resumed, mut heard) = (BTreeSet::new(), Vec::new());
        while heard.len() < missed.len() {
            match tab.expect() {
                Output::Resumed { subscription } => assert!(resumed.insert(subscription), "told once"),
                Output::Event { deliveries, .. } => {
                    let delivery = deliveries.iter().find(|delivery| delivery.subscription == table).unwrap();
                    heard.push(delivery.topics[0].to_string());
                }
                Output::Status(_) => {}
                other => panic!("neither a sync nor a failure: {other:?}"),
            }
        }
        assert_eq!(heard, missed.map(|row| rows[row].clone()));
        assert_eq!(resumed.len(), 1 + each.len());
    }
}

#[test]
fn who_does_not_say_that_more_follows_resumes_the_first_frame_and_loads_the_rest() {
    let server = Server::start();
    let rows = rows();
    let since = Client::hello(&server).subscribe(&["somewhere:else"], None, "live");
    let since = since["position"].as_str().unwrap();
    server.publish_to(&rows[ROWS - 1], &sample::ticked(1));
    let mut client = Client::hello(&server);
    let answers = subscribe(&mut client, &rows, Some(since), false);
    assert_eq!(outcomes(&answers), [counted("resumed", FRAME), counted("sync", ROWS - FRAME)]);
}

#[test]
fn a_subscribe_whose_rest_does_not_come_goes_on_by_itself() {
    let server = Server::start();
    let mut client = Client::hello(&server);
    let asked = Instant::now();
    client.send(&json!({ "op": "subscribe", "ref": 1, "topics": ["rows:1"], "more": true }));
    client.expect("subscribed");
    server.publish_to("rows:1", &sample::ticked(1));
    assert_eq!(client.expect("event")["topics"], json!(["rows:1"]));
    assert!(asked.elapsed() >= SUBSCRIBE_PAUSE, "it came after {:?}", asked.elapsed());
    server.publish_to("rows:1", &sample::ticked(2));
    client.expect("event");
}

#[test]
fn a_stream_has_as_many_topics_as_its_header_holds() {
    let server = Server::start();
    let query: Vec<String> = (0..250).map(|_| format!("topic=staff:person:{}", sample::uuid())).collect();
    let path = format!("/v1/events?{}", query.join("&"));
    assert!(path.len() > 13_000, "{}", path.len());
    let mut stream = EventStream::send(server.address(), Request::get(&path));
    assert_eq!(stream.expect("subscribed").data["topics"].as_array().unwrap().len(), 250);
}

#[test]
fn topics_that_do_not_fit_the_header_are_refused_with_the_setting_that_bounds_it() {
    let server = Server::start();
    let wide = Server::with(&["--max-header-bytes", "200000"]);
    let ask = |server: &Server, count: usize| {
        let query: Vec<String> =
            (0..count).map(|_| format!("topic=staff:person:{}", sample::uuid())).collect();
        Request::get(&format!("/v1/events?{}", query.join("&"))).send(server.address())
    };
    // A little too much, and several times as much.
    for count in [300, 1_000] {
        let refused = ask(&server, count);
        refused.assert_problem(431, "too_large");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("16384 bytes here (--max-header-bytes)"), "{detail}");
    }
    let path: Vec<String> = (0..1_000).map(|_| format!("topic=staff:person:{}", sample::uuid())).collect();
    let path = format!("/v1/events?{}", path.join("&"));
    assert!((50_000..65_534).contains(&path.len()), "{}", path.len());
    let mut stream = EventStream::send(wide.address(), Request::get(&path));
    assert_eq!(stream.expect("subscribed").data["topics"].as_array().unwrap().len(), 1_000);
    let refused = ask(&wide, 1_300);
    refused.assert_problem(414, "too_large");
    assert!(refused.json()["detail"].as_str().unwrap().contains("65534 bytes here, whatever the settings"));
    // A client that sends without end gets its answer too, and the end of its connection.
    let mut endless = std::net::TcpStream::connect(server.address()).unwrap();
    let fill = vec![b'x'; 1024 * 1024];
    let head = b"GET /v1/events?topic=".as_slice();
    let _ = std::io::Write::write_all(&mut endless, &[head, &fill, &fill].concat());
    let answer = tidings_tests::Response::read(&mut std::io::BufReader::new(endless));
    answer.assert_problem(431, "too_large");
}

/// The costs of many sessions with rows of a table.
#[derive(Debug)]
struct Crowd {
    bytes_of_session: usize,
    resumed: usize,
    took: Duration,
    cpu: Duration,
}

/// So many sessions subscribe to these rows, are cut off, miss some events, and come back at once.
fn crowd(sessions: usize, rows: impl Fn(usize) -> Vec<String> + Sync) -> Crowd {
    let mut server = Server::with(&["--max-topics-per-tenant", "1000000"]);
    Client::subscribed(&server, &["somewhere:else"]).close();
    let address = server.address();
    let before = server.process().memory_kib();
    let all_at_once = |act: &(dyn Fn(usize) -> (Client, Vec<Value>) + Sync)| -> Vec<(Client, Vec<Value>)> {
        let threads = 8;
        let share = |first| (first..sessions).step_by(threads).map(act).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        })
    };
    let there = all_at_once(&|session| {
        let mut client = Client::hello_to(address);
        let answers = subscribe(&mut client, &rows(session), None, false);
        (client, answers)
    });
    let bytes_of_session = 1024 * server.process().memory_kib().saturating_sub(before) / sessions;
    let position = |answers: &Vec<Value>| answers.last().unwrap()["position"].as_str().unwrap().to_owned();
    let since = there.iter().map(|(_, answers)| position(answers)).next().unwrap();
    drop(there);
    for number in 0..100 {
        server.publish_to(&rows(0)[number % rows(0).len()], &sample::ticked(number));
    }
    let (cpu, start) = (server.process().cpu_time().unwrap(), Instant::now());
    let back = all_at_once(&|session| {
        let mut client = Client::hello_to(address);
        let answers = subscribe(&mut client, &rows(session), Some(&since), true);
        (client, answers)
    });
    let (took, cpu) = (start.elapsed(), server.process().cpu_time().unwrap() - cpu);
    let topics = |answers: &[Value]| outcomes(answers).iter().all(|(outcome, _)| outcome == "resumed");
    let resumed = back.iter().filter(|(_, answers)| topics(answers)).count();
    Crowd { bytes_of_session, resumed, took, cpu }
}

#[test]
fn a_crowd_with_a_thousand_topics_each_costs_little_and_comes_back_at_once() {
    let sessions = rounds(20);
    let of_all = crowd(sessions, |_| (0..1_024).map(|row| format!("rows:{row}")).collect());
    let own = crowd(sessions, |session| (0..1_024).map(|row| format!("rows:{session}:{row}")).collect());
    let few = crowd(20 * sessions, |session| vec!["rows:all".to_owned(), format!("rows:{session}")]);
    for (what, sessions, crowd) in [
        ("the same 1,024 topics", sessions, &of_all),
        ("1,024 topics of their own", sessions, &own),
        ("two topics", 20 * sessions, &few),
    ] {
        let Crowd { bytes_of_session, took, cpu, .. } = crowd;
        println!("{sessions} sessions, {what}: {bytes_of_session} bytes each, back in {took:?}, CPU {cpu:?}");
    }
    assert_eq!([of_all.resumed, own.resumed, few.resumed], [sessions, sessions, 20 * sessions]);
    assert!(of_all.bytes_of_session < 1_024 * 150, "{of_all:?}");
    assert!(own.bytes_of_session < 1_024 * 600, "{own:?}");
}
