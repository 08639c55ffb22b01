//! PostgreSQL, for the tests that start a server of their own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::debian::{self, as_root};
use crate::cmd::{Cmd, which};

/// Debian's folder of all versions. Debian puts none of them on the path.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The programs that the tests run.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_basebackup"];

/// Debian's settings for new clusters are read from this folder, too.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.d";

/// Names the server with its version, or returns `None` if it is missing.
pub(super) fn find() -> Option<String> {
    let program = folder()?.join("postgres");
    Some(Cmd::new(program).arg("--version").read().ok()?.trim().to_owned())
}

/// Finds the folder of the server's programs: on the path, or the newest version in Debian's folder.
fn folder() -> Option<PathBuf> {
    let folder = |program: PathBuf| Some(program.parent()?.to_owned());
    which("initdb").and_then(folder).filter(|folder| has_programs(folder)).or_else(|| newest(VERSIONS))
}

fn newest(versions: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(versions).ok()?.flatten();
    let numbered = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let folders = numbered.map(|number| (number, Path::new(versions).join(number.to_string()).join("bin")));
    folders.filter(|(_, folder)| has_programs(folder)).max().map(|(_, folder)| folder)
}

fn has_programs(folder: &Path) -> bool {
    PROGRAMS.iter().all(|name| folder.join(name).is_file())
}

/// Installs Debian's server. Debian would also create a cluster and start it, so the set-up forbids that meanwhile.
pub(super) fn install() -> Result<()> {
    let forbid = "mkdir -p \"$0\" && echo 'create_main_cluster = false' > \"$0/tidings.conf\"";
    as_root("sh")?.args(["-c", forbid, CLUSTER_SETTINGS]).read()?;
    let installed = debian::install(&["postgresql"]);
    as_root("rm")?.args(["-f", &format!("{CLUSTER_SETTINGS}/tidings.conf")]).read()?;
    installed.context(
        "tests of the journal and of the outbox start a PostgreSQL server.\n\
         Remedy: install PostgreSQL 13 or newer (Debian: postgresql), and put `initdb`, `postgres` and `pg_basebackup` \
         on the path.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_has_a_server_is_found() {
        let versions = std::env::temp_dir().join(format!("tidings-setup-postgres-{}", std::process::id()));
        // A client alone, as `postgresql-client` installs it, is not enough. 9 is older than 15.
        let servers =
            ["9", "15"].iter().flat_map(|version| PROGRAMS.map(|name| format!("{version}/bin/{name}")));
        for program in servers.chain(["17/bin/pg_basebackup".to_owned()]) {
            let program = versions.join(program);
            std::fs::create_dir_all(program.parent().expect("a folder"))
                .expect("a folder for temporary files");
            std::fs::write(program, "").expect("a temporary file");
        }
        let found = newest(versions.to_str().expect("a path of letters"));
        std::fs::remove_dir_all(&versions).expect("a folder for temporary files");
        assert_eq!(found, Some(versions.join("15/bin")));
    }
}
