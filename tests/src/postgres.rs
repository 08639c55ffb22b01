//! A PostgreSQL server for tests.

mod copies;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use postgres::{Client, NoTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

pub use self::copies::{Backup, Dump};
use crate::{eventually, own_address, process::cpu_times};

/// The password of the user `owner`, who may do everything.
pub(crate) const PASSWORD: &str = "secret";

/// The settings of the server. A test may stop the processes of the server, but not the machine, so nothing has to
/// reach the disk.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 32MB
max_connections = 200
fsync = off
full_page_writes = off
log_line_prefix = '%m %u@%d '
ssl = on
ssl_cert_file = '../server.crt'
ssl_key_file = '../server.key'
";

/// The programs that the guard runs.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_basebackup"];

/// Makes the files of a server, starts and kills it, as its standard input says. The input ends when the
/// test's process ends, also after a kill. Then this script kills the server and removes its folder.
///
/// SIGQUIT is what `pg_ctl stop -m immediate` sends. A stopped process receives it after SIGCONT only.
const GUARD: &str = r#"
trap '' INT TERM HUP PIPE
folder=$1 initdb=$2 postgres=$3 basebackup=$4
shift 4 # what remains runs a command as the server's user
cd "$folder"
kill_server() { kill -CONT $server && kill -QUIT $server; wait $server; server=; } 2>/dev/null
while read -r command name url option; do
    case $command in
        init)
            "$@" "$initdb" -D data -U owner --pwfile=password --auth=scram-sha-256 --encoding=UTF8 --locale=C \
                --no-sync --no-instructions </dev/null >>log 2>&1
            echo $?;;
        copy) # a running server, into the folder `name`
            "$@" "$basebackup" -D "$name" -d "$url" --checkpoint=fast --no-sync $option </dev/null >>log 2>&1
            echo $?;;
        restore) # the folder `name`
            rm -rf data && cp -a "$name" data
            echo $?;;
        start)
            "$@" "$postgres" -D data </dev/null >>log 2>&1 &
            server=$!
            echo $server;;
        kill)
            kill_server
            echo killed;;
    esac
done
[ -z "$server" ] || kill_server
cd /
rm -rf "$folder"
"#;

/// A running PostgreSQL server in a folder of its own, on a port of loopback. It ends with this value, and with the
/// test's process at the latest.
#[derive(Debug)]
pub struct Postgres {
    guard: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
    folder: PathBuf,
    /// The server's process. `None` after [`Self::kill`].
    process: Option<u32>,
    /// The number of base backups.
    backups: usize,
}

impl Postgres {
    /// Returns a server that all tests of this process share. Each test asks for a [`database`](Self::database) of its own.
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a server for a test that kills or freezes it.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_on(|server| server.ask("init"))
    }

    /// Starts a server on the files that `make` makes. It returns the exit code of the program that made them.
    #[track_caller]
    fn start_on(make: impl FnOnce(&mut Self) -> String) -> Self {
        let folder = new_folder("postgres");
        fs::write(folder.join("password"), PASSWORD).expect("a folder for temporary files");
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh"]).arg(&folder).args(PROGRAMS.map(program));
        command.args(as_server_user()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = command.spawn().expect("a shell starts");
        let commands = guard.stdin.take();
        let answers = BufReader::new(guard.stdout.take().expect("standard output is piped"));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { guard, commands, answers, address, folder, process: None, backups: 0 };
        certify(&server.folder);
        assert_eq!(make(&mut server), "0", "PostgreSQL makes no files: {}", server.log());
        // Another process may take a port first.
        let started = (0..10).any(|_| {
            server.address = own_address();
            server.configure();
            server.run()
        });
        assert!(started, "PostgreSQL does not start: {}", server.log());
        server
    }

    /// Writes the settings. The last of two settings of the same name counts.
    fn configure(&self) {
        let settings = format!("{SETTINGS}port = {}\n", self.address.port());
        let path = self.folder.join("data/postgresql.conf");
        let file = fs::OpenOptions::new().append(true).open(&path);
        file.and_then(|mut file| file.write_all(settings.as_bytes())).expect("the file of settings");
    }

    /// Starts the server's process, and waits until it serves. Returns false if it has ended instead.
    #[track_caller]
    fn run(&mut self) -> bool {
        let process = self.ask("start").parse().expect("the guard names the process");
        self.process = Some(process);
        let mut serves = false;
        eventually("PostgreSQL serves", || {
            serves = Client::connect(&self.url("postgres"), NoTls).is_ok();
            serves || !is_running(process)
        });
        serves
    }

    /// Returns the owner's URL of a new, empty database.
    #[track_caller]
    pub fn database(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        // Two copies of the template at the same time refuse each other.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        connect(&self.url("postgres"))
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .expect("a new database");
        self.url(&name)
    }

    /// Returns the owner's URL of the database with this name.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://owner:{PASSWORD}@{}/{database}", self.address)
    }

    /// Returns the file with the certificate of the authority that signed the server's own, for `127.0.0.1`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.crt")
    }

    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server as a crash does: `pg_ctl stop -m immediate`.
    #[track_caller]
    pub fn kill(&mut self) {
        assert_eq!(self.ask("kill"), "killed", "the guard's answer");
        self.process = None;
    }

    /// Starts the server again after [`Self::kill`], on the same port and with the same data.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        assert!(self.run(), "PostgreSQL does not start again: {}", self.log());
    }

    /// Stops all its processes where they are. It then accepts connections and does not answer.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets its processes go on after [`Self::freeze`].
    #[track_caller]
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Returns the processor time that all its processes have used. Only Linux tells it.
    #[track_caller]
    pub fn cpu_time(&self) -> Option<Duration> {
        let process = self.process.expect("it runs");
        let children =
            Command::new("ps").args(["-o", "pid=", "--ppid", &process.to_string()]).output().ok()?;
        let children = String::from_utf8(children.stdout).ok()?;
        // A child may have ended meanwhile.
        let times = |child: &str| cpu_times(child.parse().ok()?);
        let children = children.split_whitespace().filter_map(times).map(|[user, system, ..]| user + system);
        Some(cpu_times(process)?.into_iter().chain(children).sum())
    }

    /// Returns its log until now.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Sends a signal to the server's process first, so that it starts no other, and then to its children. A child may have
    /// ended meanwhile.
    #[track_caller]
    fn signal(&self, name: &str) {
        let process = self.process.expect("it runs");
        let script =
            format!("kill -{name} {process} && {{ kill -{name} $(ps -o pid= --ppid {process}); true; }}");
        let status = Command::new("sh").args(["-c", &script]).status();
        assert!(status.is_ok_and(|status| status.success()), "{script}");
    }

    /// Gives the guard a command, and returns its answer.
    #[track_caller]
    fn ask(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("it is taken when the value is dropped");
        writeln!(commands, "{command}").expect("the guard reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the guard answers");
        answer.trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of PostgreSQL:\n{}", self.log());
        }
        // The guard kills the server, removes its folder and ends.
        drop(self.commands.take());
        let _ = self.guard.wait();
    }
}

/// Connects to a database, without TLS.
#[track_caller]
pub fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap_or_else(|error| panic!("{url}: {error:?}"))
}

/// Returns the URL of the same database for another user.
#[track_caller]
pub fn as_user(url: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (_, place) = rest.split_once('@').expect("a URL with a user");
    format!("{scheme}://{user}:{password}@{place}")
}

/// Writes a certificate for 127.0.0.1, its key, and the certificate of the authority that signed it.
fn certify(folder: &Path) {
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let own_key = key();
    let own = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
    let own = own.signed_by(&own_key, &authority).expect("a certificate");
    for (name, pem) in [
        ("authority.crt", authority.pem()),
        ("server.crt", own.pem()),
        ("server.key", own_key.serialize_pem()),
    ] {
        let path = folder.join(name);
        fs::write(&path, pem).expect("a folder for temporary files");
        give_to_server_user(&path);
    }
    // PostgreSQL refuses a key that others may read.
    fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600))
        .expect("the key's file");
}

/// Returns the words before a command that the server's user must run. PostgreSQL refuses to run as root, and Debian's
/// package has made a user for it.
pub(crate) fn as_server_user() -> &'static [&'static str] {
    if !is_root() {
        return &[];
    }
    &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
}

fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Makes a folder that belongs to the server's user.
pub(crate) fn new_folder(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("tidings-{name}-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    give_to_server_user(&folder);
    folder
}

pub(crate) fn give_to_server_user(path: &Path) {
    if is_root() {
        let (user, group) = (id(&["-u", "postgres"]), id(&["-g", "postgres"]));
        assert!(user.is_some(), "there is no user `postgres`: {HOW_TO_INSTALL}");
        std::os::unix::fs::chown(path, user, group).expect("root gives files away");
    }
}

/// Whether a process runs. The guard is its parent and has not waited for it, so an ended one is a zombie.
fn is_running(process: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &process.to_string()]).output();
    output.is_ok_and(|output| !output.stdout.is_empty() && !output.stdout.starts_with(b"Z"))
}

const HOW_TO_INSTALL: &str =
    "`cargo xtask setup` installs PostgreSQL, and so does `apt-get install postgresql`";

/// Finds a program of the server: on the path, or the newest in Debian's folder.
fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin").join(name))).filter(|(_, program)| program.is_file())
    });
    let newest = || installed.max().map(|(_, program)| program);
    on_path.or_else(newest).unwrap_or_else(|| panic!("{name} is not installed: {HOW_TO_INSTALL}"))
}
