//! What is measured, how often, and against whom.

use anyhow::{Context, Result, bail, ensure};

use crate::peer::{Peer, Speech};

pub(crate) const HELP: &str = "\
cargo xtask bench [NAME…] [--OPTION VALUE]…

Servers have one core, the load another. Prints tables in Markdown: medians, with the least and the most in brackets.
All of it takes some 40 minutes. What is lost or comes twice makes it fail.

side by side with other servers
  busy      1 to 1,000 and to 5,000, up to 32 events in flight
  single    the same, one event in flight
  rate      the same, 100 events per second, and how late they come
  connect   10,000 connects with subscribe, and the memory of connections that only listen
of the server alone
  streams   1,000 event streams beside 1,000 WebSockets, 100 events per second
  topics    2,000 connections with 5 of 2,000 topics each
  publish   publications that nobody subscribes to
  resume    5,000 connections come back after a restart, and after a cut
  slow      1,000 subscribers, among them one that reads nothing and 200 that are slow
  rights    100 neighbours of 200 sessions whose rights take 2 s to look up, or are never told
  embedded  a router of axum by `gateway.serve`, and by `gateway.service()` inside of `axum::serve`;
            HOST_RIGHTS=final leaves out that it looks up rights
  flat      CPU per delivery by the number of subscribers, and of topics
by themselves: `cargo xtask bench micro [FILTER]`, the parts of the hot path; `cargo xtask bench journal
[ROUNDS]`, what a journal costs; `cargo xtask bench nodes [latency] [writers] [tenants] [open]
[--quick]`, several nodes on PostgreSQL; `cargo xtask bench wasm`, what a delivery costs the browser's client, in Node

  --quick            a minute in all: one short run of a tenth of the size
  --runs N           5, of which the median counts     --seconds N        2, of each
  --subscribers N    instead of the numbers above      --payload BYTES    instead of 128 and 1024
  --peer NAME        only this one: tidings, bare_loop, stock_warp, ws or bun; may be said again
  --other LABEL=PATH another `tidings` binary beside this one; may be said again
";

/// The names, in the order of the tables.
const NAMES: [&str; 12] = [
    "busy", "single", "rate", "connect", "streams", "topics", "publish", "resume", "slow", "rights",
    "embedded", "flat",
];

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) names: Vec<String>,
    pub(crate) seconds: u64,
    pub(crate) runs: usize,
    pub(crate) peers: Vec<Peer>,
    subscribers: Option<usize>,
    payload: Option<usize>,
    is_quick: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let own = Peer::all()?;
        let mut options = Self {
            names: Vec::new(),
            seconds: 2,
            runs: 5,
            peers: Vec::new(),
            subscribers: None,
            payload: None,
            is_quick: false,
        };
        let mut others = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--quick" => (options.is_quick, options.runs, options.seconds) = (true, 1, 1),
                "--subscribers" => options.subscribers = Some(value()?.parse()?),
                "--payload" => options.payload = Some(value()?.parse()?),
                "--seconds" => options.seconds = value()?.parse()?,
                "--runs" => options.runs = value()?.parse()?,
                "--peer" => {
                    let name = value()?;
                    let known = own.iter().find(|peer| peer.label == *name);
                    let known =
                        known.with_context(|| format!("there is no peer {name}, or it is not installed"))?;
                    options.peers.push(known.clone());
                }
                "--other" => {
                    let (label, path) = value()?.split_once('=').context("--other is LABEL=PATH")?;
                    others.push(Peer::other(label, path));
                }
                name if NAMES.contains(&name) => options.names.push(name.to_owned()),
                other => bail!("there is no benchmark {other}\n\n{HELP}"),
            }
        }
        ensure!(options.runs > 0 && options.seconds > 0, "at least one run, and of at least a second");
        // A frame may have 64 KiB.
        ensure!(options.payload.is_none_or(|payload| payload <= 32 * 1024), "at most 32 KiB of payload");
        ensure!(options.subscribers != Some(0), "at least one subscriber");
        if options.names.is_empty() {
            options.names = NAMES.map(str::to_owned).to_vec();
        }
        if options.peers.is_empty() {
            options.peers = own;
        }
        options.peers.extend(others);
        Ok(options)
    }

    /// How many connections there are, where nothing else was asked for.
    pub(crate) fn subscribers(&self, usual: usize) -> usize {
        self.subscribers.unwrap_or(if self.is_quick { usual / 10 } else { usual })
    }

    /// The numbers of subscribers and bytes of payload that the fan-out is measured with.
    pub(crate) fn fan_outs(&self) -> Vec<(usize, usize)> {
        let subscribers = match (self.subscribers, self.is_quick) {
            (Some(subscribers), _) => vec![subscribers],
            (None, true) => vec![1000],
            (None, false) => vec![1000, 5000],
        };
        let payloads = match (self.payload, self.is_quick) {
            (Some(payload), _) => vec![payload],
            (None, true) => vec![128],
            (None, false) => vec![128, 1024],
        };
        subscribers.iter().flat_map(|&count| payloads.iter().map(move |&payload| (count, payload))).collect()
    }

    pub(crate) fn payload(&self) -> usize {
        self.payload.unwrap_or(128)
    }

    /// The same, for this project's server and the applications that embed it.
    pub(crate) fn with_applications(&self) -> Result<Self> {
        let own = self.tidings().into_iter().cloned();
        let peers = own.chain(Peer::applications()?).collect();
        Ok(Self { names: self.names.clone(), peers, ..*self })
    }

    /// Those that speak the protocol.
    pub(crate) fn tidings(&self) -> Vec<&Peer> {
        self.peers.iter().filter(|peer| peer.speech == Speech::Tidings).collect()
    }
}
