//! pgbouncer in front of a PostgreSQL server, in transaction mode.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use postgres::{Client, NoTls};

use crate::{
    Postgres, Process, eventually, guarded, own_address,
    postgres::{PASSWORD, as_server_user, give_to_server_user, new_folder},
    web_server::program,
};

/// A running pgbouncer. It ends with this value, and with the test's process at the latest.
#[derive(Debug)]
pub struct PgBouncer {
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
}

impl PgBouncer {
    /// Starts pgbouncer in front of a server, with so many connections to each of its databases.
    #[track_caller]
    pub fn start(server: &Postgres, pool_size: usize) -> Self {
        let (address, folder, behind) = (own_address(), new_folder("pgbouncer"), server.address());
        let settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = {}\nlisten_port = {}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = users\npool_mode = transaction\ndefault_pool_size = {pool_size}\n",
            behind.ip(),
            behind.port(),
            address.ip(),
            address.port(),
        );
        for (name, text) in [("settings", settings), ("users", format!("\"owner\" \"{PASSWORD}\"\n"))] {
            let path = folder.join(name);
            fs::write(&path, text).expect("a folder for temporary files");
            give_to_server_user(&path);
        }
        // It refuses to run as root, as PostgreSQL does.
        let mut command = Command::new("sh");
        command.args(["-c", "cd \"$1\" && shift && exec \"$@\"", "sh"]).arg(&folder);
        command.args(as_server_user()).arg(program("pgbouncer")).arg("settings");
        let mut pgbouncer = Self { process: guarded::start(&command), address, folder };
        eventually("pgbouncer serves", || {
            assert!(!pgbouncer.process.has_ended(), "it has ended: {}", pgbouncer.process.log());
            Client::connect(&pgbouncer.url("postgres"), NoTls).is_ok()
        });
        pgbouncer
    }

    /// Returns the owner's URL of the database with this name.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://owner:{PASSWORD}@{}/{database}", self.address)
    }

    /// Returns the URL of the same database, through pgbouncer.
    #[track_caller]
    pub fn through(&self, url: &str) -> String {
        self.url(url.rsplit('/').next().expect("a URL with a database"))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // A folder for temporary files. If it cannot be removed, the system removes it.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
