//! The gateway in the server of an application, of each kind.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tidings_server::{Authorize, DevAccess, Gateway, GatewaySettings, Hub, HubSettings, SystemHost};
use tidings_tests::Client;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};
use warp::Filter;

/// The server of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// `axum::serve`, with the gateway as a layer over a router.
    Axum,
    /// hyper's server for HTTP/1.
    Http1,
    /// hyper-util's server for HTTP/1 and HTTP/2.
    Auto,
    /// The same, over TLS.
    Tls,
    /// `warp::serve`, with the gateway's routes as a filter.
    Warp,
}

pub(crate) const HOSTS: [Host; 5] = [Host::Axum, Host::Http1, Host::Auto, Host::Tls, Host::Warp];

/// A hub and its gateway in the server of an application. The application itself answers `/hello`, and nests the
/// gateway below `/live` once more.
pub(crate) struct Hosted {
    pub(crate) runtime: Runtime,
    pub(crate) hub: Hub,
    pub(crate) gateway: Gateway,
    /// The address for a client without TLS. With TLS, a proxy of the test is behind it.
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Hosted {
    pub(crate) fn start(host: Host, change: impl FnOnce(&mut GatewaySettings)) -> Self {
        let hub = HubSettings::new("acme".parse().unwrap());
        let access = DevAccess::new(hub.home.clone());
        Self::start_hub(host, hub, access, change)
    }

    pub(crate) fn start_hub(
        host: Host,
        hub: HubSettings,
        access: impl Authorize,
        change: impl FnOnce(&mut GatewaySettings),
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let hub = Hub::new(hub, SystemHost::start());
        let mut settings = GatewaySettings::development();
        change(&mut settings);
        let gateway = Gateway::new(hub.clone(), access, settings);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let drained = {
            let gateway = gateway.clone();
            async move {
                let _ = stopped.await;
                gateway.drain().await;
            }
        };
        let app = Router::new()
            .route("/hello", get(|| async { "world" }))
            .nest_service("/live", gateway.service())
            .layer(gateway.service());
        let served = match host {
            Host::Axum => runtime.spawn(async move {
                axum::serve(listener, app).with_graceful_shutdown(drained).await.unwrap();
            }),
            Host::Warp => {
                let mine = warp::path!("hello").map(|| "world");
                let nested = warp::path("live").and(gateway.routes());
                let server = warp::serve(gateway.routes().or(nested).or(mine));
                runtime.spawn(server.incoming(listener).graceful(drained).run())
            }
            Host::Http1 | Host::Auto => runtime.spawn(serve(host, listener, app, None, drained)),
            Host::Tls => {
                let (acceptor, connector) = tls();
                let proxy = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
                let server = std::mem::replace(&mut address, proxy.local_addr().unwrap());
                runtime.spawn(proxy_to(proxy, server, connector));
                runtime.spawn(serve(host, listener, app, Some(acceptor), drained))
            }
        };
        Self { runtime, hub, gateway, address, stop, served }
    }

    /// A client that is welcomed and subscribed.
    pub(crate) fn client(&self, topics: &[&str]) -> Client {
        let mut client = Client::hello_to(self.address);
        client.subscribe(topics, None, "live");
        client
    }

    /// Begins to stop: the gateway drains.
    pub(crate) fn drain(self) -> Drained {
        let _ = self.stop.send(());
        Drained { runtime: self.runtime, served: self.served }
    }

    /// Drains, and returns when serving has ended.
    pub(crate) fn stop(self) {
        self.drain().wait();
    }
}

/// A server that ends.
pub(crate) struct Drained {
    runtime: Runtime,
    served: JoinHandle<()>,
}

impl Drained {
    pub(crate) fn wait(self) {
        let served = async { tokio::time::timeout(tidings_tests::DEADLINE, self.served).await };
        self.runtime.block_on(served).expect("serving ends before the deadline").unwrap();
    }
}

/// The loop of an application that uses hyper itself.
async fn serve(
    host: Host,
    listener: TcpListener,
    app: Router,
    acceptor: Option<TlsAcceptor>,
    drained: impl Future<Output = ()>,
) {
    let connections = GracefulShutdown::new();
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (service, watcher) = (TowerToHyperService::new(app.clone()), connections.watcher());
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let auto = auto::Builder::new(TokioExecutor::new());
                match (host, acceptor) {
                    (Host::Http1, _) => {
                        let mut http1 = hyper::server::conn::http1::Builder::new();
                        let http1 = http1.timer(TokioTimer::new());
                        let connection =
                            http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
                        let _ = connection.await;
                    }
                    (_, Some(acceptor)) => {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let connection = auto.serve_connection_with_upgrades(TokioIo::new(stream), service);
                        let _ = watcher.watch(connection).await;
                    }
                    (_, None) => {
                        let connection = auto.serve_connection_with_upgrades(TokioIo::new(stream), service);
                        let _ = watcher.watch(connection).await;
                    }
                }
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = drained => {}
    }
    // A client may keep an idle connection open.
    let _ = tokio::time::timeout(Duration::from_secs(1), connections.shutdown()).await;
}

/// Both ends of TLS, with a certificate of their own.
fn tls() -> (TlsAcceptor, TlsConnector) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = own.signing_key.serialize_der().try_into().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.into()], key);
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server.unwrap()).into(), Arc::new(client).into())
}

/// The client's end of TLS for a server with any certificate, as `curl --insecure` has it.
pub(crate) fn any_certificate() -> TlsConnector {
    #[derive(Debug)]
    struct Any;

    impl ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }

    let client = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Any));
    Arc::new(client.with_no_client_auth()).into()
}

/// Lets clients without TLS reach a server that speaks TLS.
pub(crate) async fn proxy_to(listener: TcpListener, server: SocketAddr, connector: TlsConnector) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let connector = connector.clone();
        tokio::spawn(async move {
            let name = ServerName::try_from("localhost").unwrap();
            let server = TcpStream::connect(server).await.unwrap();
            let mut server = connector.connect(name, server).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
