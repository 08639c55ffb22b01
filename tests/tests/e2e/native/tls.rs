//! `wss://`: the commands, and so the client, over TLS.

use std::{env, fs, net::SocketAddr, path::PathBuf, process::Command, sync::Arc};

use tidings_tests::{Process, Server, eventually, finish, sample, tidings};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// A file with the only certificate that a command trusts.
struct Roots(PathBuf);

impl Drop for Roots {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Roots {
    fn new(pem: &str) -> Self {
        let path = env::temp_dir().join(format!("tidings-roots-{}.pem", sample::uuid()));
        fs::write(&path, pem).unwrap();
        Self(path)
    }

    /// Returns a command that talks to `localhost` at this port.
    fn command(&self, name: &str, port: u16) -> Command {
        let mut command = tidings();
        command.env("SSL_CERT_FILE", &self.0).env_remove("SSL_CERT_DIR");
        command.args([name, "--url", &format!("https://localhost:{port}")]);
        command
    }
}

/// Starts the TLS in front of a server. Returns its port, and its certificate.
fn terminate_tls(runtime: &Runtime, server: SocketAddr) -> (u16, String) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (own.cert.pem(), own.signing_key.serialize_der().try_into().unwrap());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.into()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (port, pem)
}

#[test]
fn a_client_speaks_tls_to_a_server_that_it_trusts_and_says_why_it_trusts_no_other() {
    let (runtime, server) = (Runtime::new().unwrap(), Server::start());
    let (port, pem) = terminate_tls(&runtime, server.address());
    let event = sample::person_updated(&sample::uuid()).to_string();

    let roots = Roots::new(&pem);
    let mut tail = Process::start({
        let mut tail = roots.command("tail", port);
        tail.arg("staff:people");
        tail
    });
    eventually("the tail prints what is published", || {
        let published = finish(roots.command("publish", port).arg(&event));
        assert_eq!(published.code, Some(0), "{published:?}");
        tail.try_line().is_some()
    });

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = Roots::new(&other.cert.pem());
    // On a busy machine no attempt may fail within a second.
    eventually("the refusal names the certificate", || {
        let refused = finish(stranger.command("publish", port).args(["--timeout", "1s", &event]));
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
        refused.stderr.contains("certificate")
    });
}
