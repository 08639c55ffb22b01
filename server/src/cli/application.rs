//! What `serve` runs its gateway in: `tidings` itself, or an application of the tests.

use tokio::net::TcpListener;

use crate::{authorize::Authorize, gateway::Gateway};

/// An application that `serve` runs its gateway in. Only this project's tests write one: they run their suites against
/// a gateway that is embedded.
#[doc(hidden)]
pub trait Application {
    /// Returns the application's access rules, around the rules of the command line.
    fn access(&self, rules: impl Authorize) -> impl Authorize;

    /// Serves the gateway until `stop` completes, and drains it.
    fn serve(
        self,
        gateway: Gateway,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()>;
}

/// `tidings`: the gateway, and nothing around it.
pub(super) struct Tidings;

impl Application for Tidings {
    fn access(&self, rules: impl Authorize) -> impl Authorize {
        rules
    }

    async fn serve(
        self,
        gateway: Gateway,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        gateway.serve(listener, gateway.service(), stop).await;
    }
}
