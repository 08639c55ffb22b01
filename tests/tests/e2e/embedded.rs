//! The library behind a real listener, for what only an application that embeds it can set or see.

use std::net::SocketAddr;

use tidings_server::{Authorize, DevAccess, Gateway, GatewaySettings, Hub, HubSettings, SystemHost};
use tidings_tests::{Client, own_address};
use tokio::{
    net::{TcpListener, ToSocketAddrs},
    runtime::Runtime,
    sync::oneshot,
    task::JoinHandle,
};

/// A hub and its gateway, served on a free port by a runtime of their own.
pub(crate) struct Embedded {
    pub(crate) runtime: Runtime,
    pub(crate) hub: Hub,
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Embedded {
    pub(crate) fn start(change: impl FnOnce(&mut GatewaySettings)) -> Self {
        let hub = HubSettings::new("acme".parse().unwrap());
        let access = DevAccess::new(hub.home.clone());
        Self::start_hub(hub, access, change)
    }

    pub(crate) fn start_hub(
        hub: HubSettings,
        access: impl Authorize,
        change: impl FnOnce(&mut GatewaySettings),
    ) -> Self {
        Self::around(Hub::new(hub, SystemHost::start()), access, own_address(), change)
    }

    /// Around a hub that may have been served before, on this address.
    pub(crate) fn around(
        hub: Hub,
        access: impl Authorize,
        address: impl ToSocketAddrs,
        change: impl FnOnce(&mut GatewaySettings),
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut settings = GatewaySettings::development();
        change(&mut settings);
        let gateway = Gateway::new(hub.clone(), access, settings);
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = runtime.spawn({
            let gateway = gateway.clone();
            async move {
                let stopped = async {
                    let _ = stopped.await;
                };
                gateway.serve(listener, gateway.service(), stopped).await;
            }
        });
        Self { runtime, hub, gateway, address, stop, served }
    }

    /// A client that is welcomed and subscribed.
    pub(crate) fn client(&self, topics: &[&str]) -> Client {
        let mut client = Client::hello_to(self.address);
        client.subscribe(topics, None, "live");
        client
    }

    /// Drains, and returns when serving has ended.
    pub(crate) fn stop(self) {
        drop(self.drained());
    }

    /// The same, with the runtime and what may still run there.
    pub(crate) fn drained(self) -> Runtime {
        let _ = self.stop.send(());
        self.runtime.block_on(self.served).unwrap();
        self.runtime
    }
}
