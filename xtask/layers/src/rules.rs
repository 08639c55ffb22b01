//! The rules, as data: what each module and each crate may depend on.

/// The layers inside each crate.
pub(crate) const LAYERS: &[Layers] = &[
    Layers {
        package: "tidings-shared",
        layers: &[
            Layer { name: "values", modules: &["code", "json", "limits", "nearest", "position", "topic"] },
            Layer { name: "schema", modules: &["schema"] },
            Layer { name: "events", modules: &["derive", "event"] },
            Layer { name: "wire", modules: &["frame"] },
            Layer { name: "domains", modules: &["domain_set", "domains"] },
        ],
    },
    Layers {
        package: "tidings-hub",
        layers: &[
            Layer {
                name: "values and codecs",
                modules: &[
                    "host",
                    "metrics",
                    "moment",
                    "pattern",
                    "problem",
                    "setters",
                    "shrink",
                    "tenant_id",
                    "unknown_domains",
                    "watch",
                    "websocket",
                ],
            },
            Layer { name: "log", modules: &["keys", "log", "publication", "reader", "tenant_log"] },
            Layer { name: "journal", modules: &["journal"] },
            Layer { name: "rights", modules: &["access", "health", "refusals", "revocation"] },
            Layer { name: "hub", modules: &["hub", "publish"] },
            Layer { name: "sessions", modules: &["event_stream", "session", "shard"] },
        ],
    },
    Layers {
        package: "tidings-server",
        layers: &[
            Layer {
                name: "values",
                modules: &[
                    "database_url",
                    "host",
                    "lock_file",
                    "origin",
                    "postgres",
                    "silence",
                    "sqlite_table",
                    "text",
                ],
            },
            Layer { name: "rights", modules: &["authorize"] },
            Layer { name: "answers", modules: &["jwt", "questions"] },
            Layer { name: "journal", modules: &["journal"] },
            Layer { name: "outbox", modules: &["coverage", "outbox"] },
            Layer { name: "bridge", modules: &["bridge"] },
            Layer { name: "connections", modules: &["net"] },
            Layer { name: "gateway", modules: &["gateway"] },
            Layer { name: "HTTP", modules: &["http"] },
            Layer { name: "command line", modules: &["cli"] },
        ],
    },
    Layers {
        package: "tidings-client-core",
        layers: &[
            Layer { name: "values", modules: &["error", "frame", "limits", "now", "output"] },
            Layer { name: "timing", modules: &["backoff", "pace", "refresh"] },
            Layer { name: "parts", modules: &["connection", "publishes", "subscriptions", "watch"] },
            Layer { name: "client", modules: &["client"] },
        ],
    },
    Layers {
        package: "tidings-client",
        layers: &[
            Layer { name: "values", modules: &["error", "publish", "settings", "statuses", "url"] },
            Layer { name: "readers", modules: &["inbox"] },
            Layer { name: "core", modules: &["shared"] },
            Layer { name: "I/O", modules: &["driver", "socket"] },
            Layer { name: "streams", modules: &["publishing", "subscription", "watch"] },
            Layer { name: "client", modules: &["client"] },
        ],
    },
];

/// The folders of the crates that do no I/O and read no clock. Clippy checks it, by the `clippy.toml` in each.
pub(crate) const PURE: [&str; 3] = ["shared", "server/hub", "client-wasm/core"];

/// Runtimes, networks and everything that is built on them.
const RUNTIMES: &[&str] =
    &["async-std", "hyper", "hyper-util", "mio", "rustls", "smol", "socket2", "tokio", "warp"];
const CLOCKS: &[&str] = &["chrono", "time", "web-time"];
const RANDOMNESS: &[&str] = &["getrandom", "rand"];
const BROWSER: &[&str] = &["js-sys", "wasm-bindgen", "web-sys"];
const SERVER: &[&str] = &["tidings-hub", "tidings-server"];
const CLIENT: &[&str] = &["tidings-client", "tidings-client-core", "tidings-client-wasm"];

/// The packages that a package must not reach.
pub(crate) const REACH: &[Reach] = &[
    Reach {
        package: "tidings-shared",
        options: &["--edges", "normal,build,dev"],
        never: &[RUNTIMES, CLOCKS, RANDOMNESS, BROWSER, SERVER, CLIENT],
        says: "`shared` is what both sides speak: it does no I/O and knows neither side, in its tests either",
    },
    Reach {
        package: "tidings-hub",
        options: &["--edges", "normal,build,dev"],
        never: &[RUNTIMES, CLOCKS, BROWSER, CLIENT, &["tidings-server"]],
        says: "the hub does no I/O and reads no clock, in its tests either",
    },
    Reach {
        package: "tidings-hub",
        // Only its own: tungstenite brings `rand` for the masks of clients.
        options: &["--edges", "normal", "--depth", "1"],
        never: &[RANDOMNESS],
        says: "the hub takes random numbers from its host",
    },
    Reach {
        package: "tidings-server",
        options: &["--edges", "normal,build", "--no-default-features", "--features", "jwt"],
        never: &[CLIENT, &["clap"]],
        says: "the server knows the client in its command line only, which is the feature `cli`",
    },
    Reach {
        package: "tidings-server",
        options: &["--edges", "normal,build"],
        never: &[&["tidings-generate"]],
        says: "no server compiles what writes files for other languages",
    },
    Reach {
        package: "tidings-client-core",
        options: &["--edges", "normal,build,dev"],
        never: &[RUNTIMES, CLOCKS, RANDOMNESS, BROWSER, SERVER],
        says: "the client's core is a state machine: it does no I/O and does not know the server, in its tests either",
    },
    Reach {
        package: "tidings-client",
        options: &["--edges", "normal,build"],
        never: &[SERVER, BROWSER],
        says: "the client does not know the server",
    },
    Reach {
        package: "tidings-client-wasm",
        options: &["--edges", "normal,build", "--target", "wasm32-unknown-unknown"],
        never: &[SERVER, RUNTIMES],
        says: "the client does not know the server",
    },
    Reach {
        package: "tidings-client-wasm",
        options: &["--edges", "normal,build", "--target", "wasm32-unknown-unknown"],
        never: &[&["tidings-generate"]],
        says: "no browser compiles what writes files for other languages",
    },
];

/// The names that may stand in some files only.
pub(crate) const WORDS: &[Words] = &[
    Words {
        says: "the pure crates keep to their `clippy.toml`",
        words: &["disallowed_macros", "disallowed_methods", "disallowed_types"],
        within: &PURE,
        allowed: Allowed::Under(&[]),
    },
    Words {
        says: "tokens are judged without a clock and without I/O: the time and the keys are arguments",
        words: &["hyper", "Instant", "SystemTime", "tokio", "warp"],
        within: &["server/src/jwt.rs", "server/src/jwt"],
        allowed: Allowed::Under(&[]),
    },
    Words {
        says: "only the command line names the client",
        words: &["tidings_client"],
        within: &["server/src"],
        allowed: Allowed::Under(&["server/src/main.rs", "server/src/cli.rs", "server/src/cli"]),
    },
    Words {
        says: "warp is named in one module",
        words: &["warp"],
        within: &["server/src"],
        allowed: Allowed::Under(&["server/src/http.rs", "server/src/http"]),
    },
    Words {
        says: "the browser's WebSocket is named in one file",
        words: &["WebSocket"],
        within: &["client-wasm/src"],
        allowed: Allowed::InOneFile,
    },
];

/// The layers of a crate's modules.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The package.
    pub(crate) package: &'static str,
    /// From the innermost outwards. A module depends on its own layer and on the layers before it.
    pub(crate) layers: &'static [Layer],
}

/// Modules that may use each other, in no circle.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The name that messages use.
    pub(crate) name: &'static str,
    /// The crate's outermost modules that belong to it.
    pub(crate) modules: &'static [&'static str],
}

/// Packages that a package must not reach, direct or not.
#[derive(Debug)]
pub(crate) struct Reach {
    /// The package.
    pub(crate) package: &'static str,
    /// Which of its dependencies count: options of `cargo tree`.
    pub(crate) options: &'static [&'static str],
    /// The packages that must not be in the tree.
    pub(crate) never: &'static [&'static [&'static str]],
    /// The rule in words.
    pub(crate) says: &'static str,
}

/// Words that may stand in some files only.
#[derive(Debug)]
pub(crate) struct Words {
    /// The rule in words.
    pub(crate) says: &'static str,
    /// The words, as names in Rust code.
    pub(crate) words: &'static [&'static str],
    /// The files and folders that the rule is about.
    pub(crate) within: &'static [&'static str],
    /// Where the words may stand.
    pub(crate) allowed: Allowed,
}

/// Where a word may stand.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// In these files and folders.
    Under(&'static [&'static str]),
    /// In any one file.
    InOneFile,
}
