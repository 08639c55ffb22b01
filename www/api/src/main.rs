//! The demo application: a small back office. All its windows show the stored data. It is an ordinary program that embeds
//! the library. It serves its page and its API on SQLite. Each write puts its events into an outbox, in its own transaction.
//! [`tidings_server::Outbox`] publishes them on a [`tidings_server::Hub`]. Any program may write links:
//! [`tidings_server::bridge`] publishes their changes.

// They panic if the output can't be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use tidings_server::{
    DevAccess, Gateway, GatewaySettings, Hub, HubSettings, Outbox, OutboxAddress, SystemHost, TenantId,
};
use tokio::net::TcpListener;

mod bridge;
#[cfg(test)]
mod coverage;
mod database;
mod events;
mod fault;
mod http;
mod records;
mod schema;
mod seed;
mod store;
mod table;
#[cfg(test)]
mod testing;

/// A small back office. All its windows show the stored data.
#[derive(Debug, Parser)]
#[command(name = "tidings-demo", version)]
struct Options {
    /// The address to listen on. It must be a loopback address, because there is no login. Port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:7710")]
    listen: SocketAddr,

    /// The SQLite file. If it does not exist, it is created with example data.
    #[arg(long, default_value = "www/data/demo.sqlite")]
    data: PathBuf,

    /// The folder with the built page.
    #[arg(long, default_value = "www/dist")]
    dist: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // It would panic when it reports a line that can't be written.
        .log_internal_errors(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .init();
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // The reader of the output may have gone.
            let _ = writeln!(std::io::stderr(), "tidings-demo: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    if !options.listen.ip().is_loopback() {
        return Err(format!(
            "other machines can reach --listen {}, and the demo has no login: \
             use 127.0.0.1 or [::1]",
            options.listen
        ));
    }
    if !options.dist.join("index.html").is_file() {
        return Err(format!(
            "{} has no built page: run `cargo xtask demo`, which builds it, or name its folder with --dist",
            options.dist.display()
        ));
    }
    let home: TenantId =
        "dev".parse().map_err(|error| format!("the name of the tenant is not valid: {error}"))?;
    let hub = Hub::new(HubSettings::new(home), SystemHost::start());
    let connection = schema::open(&options.data)?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        format!("cannot listen on {}: {error}; choose another port with --listen", options.listen)
    })?;
    let address = listener.local_addr().map_err(|error| format!("the listener has no address: {error}"))?;
    // After the port is taken: a second demo by mistake must not read the outbox of the first.
    let outbox_address: OutboxAddress =
        format!("sqlite:{}", options.data.display()).parse().map_err(|error| format!("--data: {error}"))?;
    let outbox = Outbox::start(&hub, &outbox_address).await.map_err(|error| error.to_string())?;
    let outbox = Arc::new(outbox);
    bridge::start(&hub, &options.data).await.map_err(|error| error.to_string())?;
    let database = database::Database::start(connection, Arc::clone(&outbox))
        .map_err(|error| format!("cannot start the database thread: {error}"))?;

    let access = DevAccess::new(hub.home().clone());
    let gateway = Gateway::new(hub, access, GatewaySettings::development());
    let app = warp::service(http::routes(database, options.dist));

    // The reader of the output may have gone, which is no reason to stop.
    let _ = writeln!(
        std::io::stdout(),
        "listening on http://{address}\nOpen it in two windows and edit something in one of them."
    );
    gateway.serve(listener, app, stopped()).await;
    outbox.stop().await;
    Ok(())
}

/// Ends when the process is asked to end.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}
