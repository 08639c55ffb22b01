//! A disk that a test can fill: a file system in memory, which only the processes that the test starts on it see.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A small disk. It goes with this value, and with the test's process at the latest.
///
/// It is mounted in a namespace of a process that waits for the end of its input.
#[derive(Debug)]
pub struct SmallDisk {
    keeper: Child,
    input: Option<ChildStdin>,
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk with so many bytes. Some systems, such as containers, allow no mount. Then this says so, also if the
    /// test's output is captured, and returns `None`.
    pub fn mount(bytes: usize) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("tidings-disk-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        let mount = format!("mount -t tmpfs -o size={bytes} tmpfs \"$1\" && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &mount, "sh"]).arg(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn().expect("`unshare` of util-linux is there");
        let input = keeper.stdin.take();
        let mut line = String::new();
        let _ = BufReader::new(keeper.stdout.take().expect("it is piped")).read_line(&mut line);
        let disk = Self { keeper, input, folder };
        if line == "mounted\n" {
            return Some(disk);
        }
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let _ = writeln!(std::io::stderr(), "{name} IS SKIPPED: this system allows no mount");
        None
    }

    /// Returns the path of a file on the disk, for a process on the disk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the command that does the same on the disk.
    pub fn on_it(&self, command: &Command) -> Command {
        let mut entered = Command::new("nsenter");
        entered.args(["--target", &self.keeper.id().to_string(), "--user", "--mount"]);
        entered.args(["--preserve-credentials", "--"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entered.env(name, value),
                None => entered.env_remove(name),
            };
        }
        entered
    }

    /// Returns the bytes of a file.
    #[track_caller]
    pub fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.seen().join(name)).expect("the file is there")
    }

    /// Writes a file with this name until the disk is full.
    #[track_caller]
    pub fn fill(&self, name: &str) {
        let mut file = fs::File::create(self.seen().join(name)).expect("an empty file");
        let error = loop {
            if let Err(error) = file.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    }

    /// Writes a file with so many bytes.
    #[track_caller]
    pub fn write(&self, name: &str, bytes: usize) {
        fs::write(self.seen().join(name), vec![1; bytes]).expect("there is room");
    }

    /// Removes a file.
    #[track_caller]
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.seen().join(name)).expect("the file is there");
    }

    /// Returns the folder as processes elsewhere see it.
    fn seen(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.folder.strip_prefix("/").unwrap_or(Path::new(&self.folder)))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.keeper.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
