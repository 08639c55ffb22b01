//! What many tenants cost, while nothing happens and while each second brings events.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tidings_tests::{Client, Postgres, Server, key_file, sample};

use crate::{
    Size, new_journal, percentile,
    usage::{PerSecond, Usage},
};

const TENANTS: [usize; 3] = [1, 100, 10_000];

/// Events per second, of all tenants together.
const RATE: u32 = 100;

/// The most tenants with a client on the first node, too. One process may open only so many files.
const PUBLISHERS: usize = 5_000;

const TOPIC: &str = "clock:all";

pub(crate) fn run(postgres: &Postgres, size: Size) {
    println!(
        "\n| tenants, each with a client | queries/s, CPU ms/s of both nodes and of the database | the same with {RATE} events/s | p50, p99 ms to a socket of the other node |"
    );
    println!("|---|---|---|---|");
    for tenants in TENANTS.into_iter().filter(|tenants| *tenants <= size.tenants) {
        let (idle, busy, mut latencies) = measure(postgres, tenants, size.time);
        let columns =
            |used: PerSecond| format!("{:.0}, {:.0}, {:.0}", used.queries, used.nodes_ms, used.database_ms);
        let [median, slow] = [0.5, 0.99].map(|part| percentile(&mut latencies, part));
        println!("| {tenants} | {} | {} | {median:.1}, {slow:.1} |", columns(idle), columns(busy));
    }
}

fn measure(postgres: &Postgres, tenants: usize, time: Duration) -> (PerSecond, PerSecond, Vec<Duration>) {
    let url = new_journal(postgres);
    // So that a client need not answer pings.
    let node = || Server::keyed(&["--journal", &url, "--heartbeat", "5m"]);
    let mut nodes = [node(), node()];
    let subscribed = |node: &Server, tenant: usize| {
        let mut client = Client::with_token(node, &token(tenant));
        client.subscribe(&[TOPIC], None, "live");
        client
    };
    let mut publishers: Vec<Client> =
        (0..tenants.min(PUBLISHERS)).map(|tenant| subscribed(&nodes[0], tenant)).collect();
    let mut readers: Vec<Client> = (0..tenants).map(|tenant| subscribed(&nodes[1], tenant)).collect();
    let usage = Usage::begin(postgres, &url, &mut nodes);
    thread::sleep(time);
    let idle = usage.end(&mut nodes);

    let usage = Usage::begin(postgres, &url, &mut nodes);
    let (sender, sent) = mpsc::channel::<Instant>();
    let latencies = thread::scope(|scope| {
        let (readers, publishing) = (&mut readers, publishers.len());
        let reading = scope.spawn(move || {
            let next = |(number, begin): (usize, Instant)| {
                readers[number % publishing].expect("event");
                begin.elapsed()
            };
            sent.iter().enumerate().map(next).collect()
        });
        let begin = Instant::now();
        for number in 0..RATE * time.as_secs() as u32 {
            thread::sleep(
                (begin + Duration::from_secs(1) / RATE * number).saturating_duration_since(Instant::now()),
            );
            let number = number as usize;
            let publish =
                json!({ "op": "publish", "ref": number, "event": sample::ticked(number), "topics": [TOPIC] });
            sender.send(Instant::now()).unwrap();
            publishers[number % publishing].send(&publish);
        }
        drop(sender);
        reading.join().unwrap()
    });
    (idle, usage.end(&mut nodes), latencies)
}

/// Returns a token of a tenant. `tidings token` would be a process for each.
fn token(tenant: usize) -> String {
    let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_600;
    let claims = json!({
        "tenant": format!("tenant-{tenant}"), "sub": "reader", "exp": expires, "subscribe": ["*"], "publish": ["*"],
    });
    let secret = std::fs::read(key_file("secret")).unwrap();
    let key = EncodingKey::from_secret(secret.trim_ascii_end());
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}
