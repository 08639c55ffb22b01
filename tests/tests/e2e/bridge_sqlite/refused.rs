//! Files that this program may not write.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use tidings_server::bridge::{Bridge, SourceError, sqlite::SqliteSource};
use tidings_tests::finish;
use tokio::runtime::Runtime;

use super::{file, hub, topic};

/// Names a file to the same test in another process.
const FILE: &str = "TIDINGS_TEST_FILE";

/// What the reason has to name.
const NAMES: &str = "TIDINGS_TEST_NAMES";

#[test]
fn a_file_or_a_folder_that_cannot_be_written_is_not_supported() {
    if let Some(path) = env::var_os(FILE) {
        return start_bound(Path::new(&path));
    }
    for mode in ["wal", "delete"] {
        let file = file(mode, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
        let (path, folder) = (file.path(), file.path().parent().unwrap().to_owned());
        let rights = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        // Another user's program has left its lock.
        let hash = "ab5b55da88cc5a80"; // of `acme`, `t` and `store:t`
        let lock =
            path.with_file_name(format!("{}-bridge-{hash}-users", path.file_name().unwrap().display()));
        for (what, bound, free, names) in [
            (&path, 0o400, 0o600, "may not write the file or its folder"),
            (&folder, 0o500, 0o700, "may not write the file or its folder"),
            (&lock, 0o400, 0o600, "-users can't be taken"),
        ] {
            if what == &lock {
                fs::write(&lock, "").unwrap();
            }
            rights(what, bound);
            // The rights of files do not bind `root` otherwise.
            let mut child = Command::new("setpriv");
            child
                .args(["--bounding-set", "-dac_override", "--inh-caps", "-dac_override"])
                .arg(env::current_exe().unwrap());
            child.args([
                "--exact",
                "bridge_sqlite::refused::a_file_or_a_folder_that_cannot_be_written_is_not_supported",
            ]);
            let refused = finish(child.env(FILE, &path).env(NAMES, names));
            rights(what, free);
            let _ = fs::remove_file(&lock);
            assert_eq!(refused.code, Some(0), "{mode}, {}: {refused:?}", what.display());
        }
        let left = fs::read_dir(&folder)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("-bridge-"));
        assert_eq!(left.count(), 0, "a refusal leaves no lock");
    }
}

fn start_bound(path: &Path) {
    Runtime::new().unwrap().block_on(async {
        let hub = hub();
        let started =
            Bridge::<Value>::start(&hub.tenant(hub.home()), SqliteSource::new(path), "t", &topic()).await;
        let error = started.unwrap_err();
        assert!(
            matches!(&error, SourceError::NotSupported(why) if why.contains(&env::var(NAMES).unwrap())),
            "{error:?}"
        );
    });
}
