//! Prints random payloads of each event of the shipped domains and of the domain with every type, and whether Rust reads them:
//! `random SEED COUNT`. A line is `{"domain", "event", "payload", "refusal"}`, with the payload as text.

use std::io::{self, Write as _};

use every_type::random;
use serde_json::json;
use tidings_shared::{
    Event, RawEvent,
    domains::{catalogue, crm, projects, staff, store},
    schema::DomainSchema,
};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().ok());
    let (Some(Some(seed)), Some(Some(count))) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("say `random SEED COUNT`"));
    };
    print::<every_type::Event>(seed, count)?;
    print::<catalogue::Event>(seed, count)?;
    print::<staff::Event>(seed, count)?;
    print::<projects::Event>(seed, count)?;
    print::<crm::Event>(seed, count)?;
    print::<store::Event>(seed, count)
}

fn print<E: Event>(seed: u64, count: u64) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let domain = DomainSchema::of::<E>().name;
    for event in E::SCHEMA {
        for number in 0..count {
            let payload = random::payload(event, seed.wrapping_mul(count).wrapping_add(number));
            let text = format!(r#"{{"domain":"{domain}","event":"{}","payload":{payload}}}"#, event.name);
            let raw = RawEvent::parse(&text).map_err(|error| io::Error::other(format!("{text}: {error}")))?;
            let refusal = raw.decode::<E>().err().map(|error| error.to_string());
            let line =
                json!({ "domain": domain, "event": event.name, "payload": payload, "refusal": refusal });
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}
