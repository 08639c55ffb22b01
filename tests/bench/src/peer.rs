//! The servers that are measured.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process::Server;

/// What servers are told, and what they need for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// The protocol, from the hello on.
    Tidings,
    /// The same, but subscribers are event streams.
    EventStreams,
    /// A publication's text, already a frame, that goes to all others as it is.
    Relay,
}

/// A server to measure.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) label: String,
    pub(crate) speech: Speech,
    program: PathBuf,
    /// Before others.
    arguments: Vec<String>,
}

/// The scripts, and the npm packages that they need.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// The practical limit, which others are compared with.
pub(crate) const LIMIT: &str = "bare_loop";

impl Peer {
    /// This project's server and all peers that are installed.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let folder = std::env::current_exe()?;
        let folder = folder.parent().context("a program is in a folder")?;
        let own = |label: &str, speech| Self {
            label: label.to_owned(),
            speech,
            program: folder.join(label),
            arguments: Vec::new(),
        };
        let mut peers = vec![
            own("tidings", Speech::Tidings),
            own(LIMIT, Speech::Relay),
            own("stock_warp", Speech::Relay),
        ];
        let packages = Path::new(SCRIPTS).join("node_modules");
        let scripts = [("ws", PathBuf::from("node"), "ws"), ("bun", packages.join(".bin/bun"), "bun")];
        for (label, program, package) in scripts {
            if packages.join(package).is_dir() {
                let arguments = vec![format!("{SCRIPTS}/{label}.mjs")];
                peers.push(Self { label: label.to_owned(), speech: Speech::Relay, program, arguments });
            } else {
                eprintln!("LEFT OUT: {label}, because its npm package is not installed");
            }
        }
        Ok(peers)
    }

    /// The applications of this project's tests, which embed the server and look up rights: by the gateway's own accept
    /// loop, and inside of `axum::serve`.
    pub(crate) fn applications() -> Result<Vec<Self>> {
        let folder = std::env::current_exe()?;
        let folder = folder.parent().context("a program is in a folder")?;
        let application = |label: &str| {
            let program = folder.join(label);
            ensure!(program.is_file(), "{label} is not built: run `cargo xtask bench`");
            Ok(Self { label: label.to_owned(), speech: Speech::Tidings, program, arguments: Vec::new() })
        };
        ["host-serve", "host-service"].into_iter().map(application).collect()
    }

    /// Another build of this project's server.
    pub(crate) fn other(label: &str, program: &str) -> Self {
        let (label, program) = (label.to_owned(), program.into());
        Self { label, speech: Speech::Tidings, program, arguments: Vec::new() }
    }

    /// The same server, whose subscribers are event streams.
    pub(crate) fn with_event_streams(&self) -> Self {
        let label = format!("{}, event streams", self.label);
        Self { label, speech: Speech::EventStreams, ..self.clone() }
    }

    /// Starts it on a free port.
    pub(crate) fn start(&self) -> Result<Server> {
        self.start_on("127.0.0.1:0")
    }

    /// Starts it; only this project's server can be told where to listen.
    pub(crate) fn start_on(&self, address: &str) -> Result<Server> {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        if self.speech != Speech::Relay {
            arguments.extend(["serve", "--dev", "--listen", address, "--frames-per-second", "1000000"]);
        }
        Server::start(&self.program, &arguments).with_context(|| format!("starting {}", self.label))
    }
}
