//! What a journal costs: publications of one process, awaited, with the log in memory and in SQLite.
//!
//! `cargo xtask bench journal [ROUNDS]`. All rows are measured in each round, one after the other.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first fault")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tidings_server::{
    Hub, HubSettings, JournalAddress, JournalSettings, PublishOptions, Synchronous, hub::LogLimits, open_hub,
};
use tidings_shared::{RawEvent, TopicName};

/// Time of one row in one round.
const TIME: Duration = Duration::from_secs(3);

/// The payload: 128 bytes with its quotes.
fn event() -> RawEvent {
    let payload = format!("\"{}\"", "x".repeat(126));
    RawEvent::parse(&format!(r#"{{"domain":"bench","event":"ticked","payload":{payload}}}"#)).unwrap()
}

#[derive(Debug, Clone, Copy)]
struct Row {
    label: &'static str,
    kind: Option<Synchronous>,
    publishers: usize,
}

const ROWS: [Row; 6] = [
    Row { label: "memory, 1 publisher", kind: None, publishers: 1 },
    Row { label: "SQLite normal, 1 publisher", kind: Some(Synchronous::Normal), publishers: 1 },
    Row { label: "SQLite full, 1 publisher", kind: Some(Synchronous::Full), publishers: 1 },
    Row { label: "memory, 1,024 publishers", kind: None, publishers: 1_024 },
    Row { label: "SQLite normal, 1,024 publishers", kind: Some(Synchronous::Normal), publishers: 1_024 },
    Row { label: "SQLite full, 1,024 publishers", kind: Some(Synchronous::Full), publishers: 1_024 },
];

/// What one row did in one round.
#[derive(Debug, Clone, Copy)]
struct Measured {
    per_second: f64,
    cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn main() {
    // `cargo bench` adds `--bench`.
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let folder = std::env::temp_dir().join(format!("tidings-bench-journal-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut measured = vec![Vec::new(); ROWS.len()];
    for round in 0..rounds {
        for (row, measured) in ROWS.iter().zip(&mut measured) {
            let path = folder.join(format!("{round}-{}", row.publishers));
            measured.push(runtime.block_on(measure(*row, &path)));
            files_of(&path).for_each(|file| drop(fs::remove_file(file)));
        }
    }
    drop(fs::remove_dir_all(&folder));
    println!("\n| what | publications/s | CPU µs each | p50 ms | p99 ms |\n|---|---|---|---|---|");
    for (row, measured) in ROWS.iter().zip(measured) {
        let column = |value: fn(&Measured) -> f64, digits: usize| spread(measured.iter().map(value), digits);
        println!(
            "| {} | {} | {} | {} | {} |",
            row.label,
            column(|m| m.per_second, 0),
            column(|m| m.cpu_us, 1),
            column(|m| m.p50_ms, 2),
            column(|m| m.p99_ms, 2)
        );
    }
}

async fn measure(row: Row, path: &Path) -> Measured {
    let home = "bench".parse().unwrap();
    let settings = HubSettings::new(home).log(LogLimits::default());
    let address: JournalAddress = match row.kind {
        None => "memory".parse().unwrap(),
        Some(_) => format!("sqlite:{}", path.display()).parse().unwrap(),
    };
    let journal = JournalSettings::new(address).synchronous(row.kind.unwrap_or_default());
    let (hub, journal) = open_hub(settings, journal).await.unwrap();
    let cpu = cpu_time();
    let begin = Instant::now();
    let count = Arc::new(AtomicU64::new(0));
    let publishers: Vec<_> = (0..row.publishers)
        .map(|number| tokio::spawn(publish(hub.clone(), number, begin + TIME, count.clone())))
        .collect();
    let mut latencies = Vec::new();
    for publisher in publishers {
        latencies.extend(publisher.await.unwrap());
    }
    let (took, cpu) = (begin.elapsed(), cpu_time() - cpu);
    let published = count.load(Relaxed) as f64;
    journal.stop().await;
    latencies.sort_unstable();
    let percentile = |part: f64| {
        let rank = (latencies.len() as f64 * part) as usize;
        latencies.get(rank.min(latencies.len() - 1)).map_or(f64::NAN, |us| f64::from(*us) / 1e3)
    };
    Measured {
        per_second: published / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / published,
        p50_ms: percentile(0.5),
        p99_ms: percentile(0.99),
    }
}

/// Publishes and awaits, again and again. Returns the latencies in microseconds.
async fn publish(hub: Hub, number: usize, until: Instant, count: Arc<AtomicU64>) -> Vec<u32> {
    let topics = [TopicName::parse(&format!("bench:{}", number % 100)).unwrap()];
    let event = event();
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let begin = Instant::now();
        hub.publish_raw(event.clone(), Some(&topics), PublishOptions::default()).await.unwrap();
        latencies.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
        count.fetch_add(1, Relaxed);
        if latencies.len() % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    latencies
}

/// The processor time of this process so far.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().map(|&field| fields[field].parse::<u64>().unwrap()).sum();
    // Linux counts in hundredths of a second for every program.
    Duration::from_millis(ticks * 10)
}

fn files_of(path: &Path) -> impl Iterator<Item = PathBuf> {
    let path = path.to_owned();
    ["", "-wal", "-shm", "-lock"]
        .into_iter()
        .map(move |end| PathBuf::from(format!("{}{end}", path.display())))
}

/// The median, with the least and the most in brackets.
fn spread(values: impl Iterator<Item = f64>, digits: usize) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.digits$} ({least:.digits$} to {most:.digits$})", values[values.len() / 2])
}
