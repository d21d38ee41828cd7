//! The simulated upstream: an HTTP server that behaves as the invitations API of `VMware` Cloud Services is documented
//! and seen to behave, with invitations that live, and with everything that can go wrong on demand.
//!
//! Rehearsals, the demonstration, tests and benchmarks use the same one. Lists are a function of a seed and of
//! simulated time, which can run faster than the real one. Times are reported as if simulated "now" were the real now:
//! ages then grow fast and invitations expire, while durations and identities stay what they are.

mod auth;
mod banner;
mod clock;
mod content;
mod control;
mod dice;
mod group;
mod json;
mod life;
mod list;
mod listener;
mod malformed;
mod options;
mod organizations;
mod population;
mod refusals;
mod render;
mod requests;
mod routes;
mod scenario;
mod service;
mod shape;
mod tokens;
mod vocabulary;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use options::Options;
pub use requests::{OperationRequests, Requests};
use scenario::Active;
pub use scenario::{Scenario, UnknownScenario};
use service::Service;

/// An organization of the simulated service. Its token is made up: it opens nothing but the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedOrganization {
    /// GUID.
    pub id: String,
    /// Display name at the start.
    pub display_name: String,
    /// An API token of this organization.
    pub api_token: String,
}

/// There is no organization with this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no simulated organization has this id")]
pub struct UnknownOrganization;

/// A running simulator; dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    service: Arc<Service>,
    organizations: Vec<SimulatedOrganization>,
    address: SocketAddr,
    control_address: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts a simulator; it accepts connections when this returns.
///
/// # Errors
///
/// When an address cannot be listened on, when the control endpoint's is not a loopback one, or when the speed is
/// negative or not finite.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let invalid = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    if !options.speed.is_finite() || options.speed < 0.0 {
        return invalid("the speed must be a number that is not negative");
    }
    if options.control_listen.is_some_and(|address| !address.ip().is_loopback()) {
        return invalid("the control endpoint must listen on a loopback address");
    }
    let listener = bind(options.listen).await?;
    let address = listener.local_addr()?;
    let control = match options.control_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let control_address = control.as_ref().map(TcpListener::local_addr).transpose()?;

    let grace = options.outage_grace;
    let service = Arc::new(Service::new(options));
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let scenarios = service.scenario.subscribe();
    tasks.spawn(listener::serve(listener, routes::router(Arc::clone(&service)), scenarios, grace, stop.clone()));
    if let Some(control) = control {
        // A scenario that never changes: nothing closes this one.
        let (always, steady) = watch::channel(Active::now(Scenario::Steady));
        let (router, stop) = (control::router(Arc::clone(&service)), stop.clone());
        tasks.spawn(async move {
            listener::serve(control, router, steady, grace, stop).await;
            drop(always);
        });
    }
    let organizations = service.sites.iter().map(|site| site.facts.clone()).collect();
    Ok(Simulator { service, organizations, address, control_address, stop, tasks })
}

async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

/// Runs a simulator until `shutdown`, and hands it to `started` when it accepts connections.
///
/// # Errors
///
/// Those of [`start`] and of `started`.
pub async fn run(
    options: Options,
    started: impl FnOnce(&Simulator) -> io::Result<()>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let simulator = start(options).await?;
    started(&simulator)?;
    shutdown.await;
    simulator.shutdown().await;
    Ok(())
}

/// An address that the own machine can connect to.
fn url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

impl Simulator {
    /// The base URL of the simulated API, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> String {
        url(self.address)
    }

    /// The base URL of the control endpoint, if there is one.
    #[must_use]
    pub fn control_url(&self) -> Option<String> {
        self.control_address.map(url)
    }

    /// Every organization.
    #[must_use]
    pub fn organizations(&self) -> &[SimulatedOrganization] {
        &self.organizations
    }

    /// The id of the OAuth app that serves every organization.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.service.client_id
    }

    /// The secret of the OAuth app; made up.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.service.client_secret
    }

    /// The scenario of everybody who has none of their own.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        self.service.active(None).scenario
    }

    /// Changes the scenario of everybody who has none of their own, and begins it anew.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.service.set_scenario(scenario);
    }

    /// Gives one organization a scenario of its own, or takes it away.
    ///
    /// # Errors
    ///
    /// When there is no organization with this id; as with the other settings of one organization.
    pub fn set_organization_scenario(&self, id: &str, scenario: Option<Scenario>) -> Result<(), UnknownOrganization> {
        self.service.site(id).ok_or(UnknownOrganization)?.set_scenario(scenario);
        Ok(())
    }

    /// Sets the bytes that are served as an organization's list, as they are; `None` goes back to the living one.
    ///
    /// # Errors
    ///
    /// When there is no organization with this id.
    pub fn set_invitations(&self, id: &str, list: Option<Bytes>) -> Result<(), UnknownOrganization> {
        *self.service.site(id).ok_or(UnknownOrganization)?.invitations.write() = list;
        Ok(())
    }

    /// Sets the display name of an organization.
    ///
    /// # Errors
    ///
    /// When there is no organization with this id.
    pub fn set_display_name(&self, id: &str, name: impl Into<String>) -> Result<(), UnknownOrganization> {
        *self.service.site(id).ok_or(UnknownOrganization)?.display_name.write() = name.into();
        Ok(())
    }

    /// Sets the lifetime of access tokens to come.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.service.settings.write().token_lifetime = lifetime;
    }

    /// Makes every access token worthless; new ones can be had.
    pub fn revoke_access_tokens(&self) {
        self.service.access.revoke();
    }

    /// Jumps ahead in simulated time.
    pub fn advance(&self, by: Duration) {
        self.service.clock.skip(by);
    }

    /// What has been asked of the simulated API.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.service.recorder.requests()
    }

    /// Stops listening and closes every connection.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
