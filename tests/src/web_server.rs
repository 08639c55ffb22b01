//! nginx or Caddy in front of a hub, or of several nodes. They run the configurations in `deploy` with other addresses.

use std::{
    env, fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{Process, eventually, guarded, own_address};

/// The hub's address in the configurations.
const HUB: &str = "127.0.0.1:7700";

/// The addresses of the nodes in the configuration for several.
const NODES: [&str; 2] = ["10.0.0.1:7700", "10.0.0.2:7700"];

/// The main configuration of nginx, which includes the site's. nginx runs as one process in a folder of its own, and
/// compresses everything.
const NGINX: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    gzip on;
    gzip_types *;
    gzip_min_length 0;
    gzip_proxied any;
    include tidings.conf;
}
";

/// The global options of Caddy.
const CADDY: &str = "
{
	admin off
	default_bind 127.0.0.1
}
";

/// A running nginx or Caddy. It ends with this value, and with the test's process at the latest.
#[derive(Debug)]
pub struct WebServer {
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
}

impl WebServer {
    /// Starts nginx in front of the hub at this address.
    #[track_caller]
    pub fn nginx(hub: SocketAddr) -> Self {
        Self::nginx_of("nginx.conf", &[(HUB, hub)])
    }

    /// Starts nginx in front of two nodes that share a journal.
    #[track_caller]
    pub fn nginx_of_nodes(nodes: [SocketAddr; 2]) -> Self {
        Self::nginx_of("nginx-nodes.conf", &[(NODES[0], nodes[0]), (NODES[1], nodes[1])])
    }

    /// Starts the same nginx. It waits for an answer for a second, and for the next byte of a stream for two.
    #[track_caller]
    pub fn impatient_nginx_of_nodes(nodes: [SocketAddr; 2]) -> Self {
        let nodes = nodes.map(|node| node.to_string());
        Self::nginx_with(
            "nginx-nodes.conf",
            &[
                (NODES[0], &nodes[0]),
                (NODES[1], &nodes[1]),
                ("proxy_read_timeout 15s;", "proxy_read_timeout 1s;"),
                ("proxy_read_timeout 40s;", "proxy_read_timeout 2s;"),
            ],
        )
    }

    /// Starts nginx with a configuration whose addresses are replaced.
    #[track_caller]
    fn nginx_of(configuration: &str, hubs: &[(&str, SocketAddr)]) -> Self {
        let hubs: Vec<(&str, String)> = hubs.iter().map(|(from, to)| (*from, to.to_string())).collect();
        let replacements: Vec<(&str, &str)> = hubs.iter().map(|(from, to)| (*from, to.as_str())).collect();
        Self::nginx_with(configuration, &replacements)
    }

    /// Starts nginx with a configuration in which texts are replaced.
    #[track_caller]
    fn nginx_with(configuration: &str, replacements: &[(&str, &str)]) -> Self {
        let (address, folder) = (own_address(), folder());
        let site = replaced(&shipped(configuration), "listen 80;", &format!("listen {address};"));
        let replace = |site: String, (from, to): &(&str, &str)| {
            assert!(site.contains(from), "this must occur: {from}");
            site.replace(from, to)
        };
        write(&folder.join("tidings.conf"), &replacements.iter().fold(site, replace));
        write(&folder.join("nginx.conf"), NGINX);
        let mut command = Command::new(program("nginx"));
        // Until nginx has read its configuration, it writes to standard error.
        command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "stderr"]);
        Self::run(&command, address, folder)
    }

    /// Starts Caddy in front of the hub at this address.
    #[track_caller]
    pub fn caddy(hub: SocketAddr) -> Self {
        let (address, folder) = (own_address(), folder());
        let site = shipped("Caddyfile");
        let site = replaced(&site, "app.example.com {", &format!("http://:{} {{", address.port()));
        let site = replaced(&site, HUB, &hub.to_string());
        write(&folder.join("Caddyfile"), &format!("{CADDY}{site}"));
        let mut command = Command::new(program("caddy"));
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
        for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(home, &folder);
        }
        Self::run(&command, address, folder)
    }

    #[track_caller]
    fn run(command: &Command, address: SocketAddr, folder: PathBuf) -> Self {
        let mut server = Self { process: guarded::start(command), address, folder };
        eventually("the web server listens", || {
            assert!(!server.process.has_ended(), "it has ended: {}", server.process.log());
            TcpStream::connect(address).is_ok()
        });
        server
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // A folder for temporary files. If it cannot be removed, the system removes it.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a configuration of the repository.
fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "this must occur once: {from}");
    text.replace(from, to)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("tidings-web-server-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

/// Finds a program on the path, or in the folder that Debian does not put on the path of ordinary users.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()));
    found.unwrap_or_else(|| {
        panic!(
            "{name} is not installed: `cargo xtask setup` installs it, and so does `apt-get install {name}`"
        )
    })
}
