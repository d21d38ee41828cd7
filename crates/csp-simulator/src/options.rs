//! What can be chosen at the start.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::Scenario;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the simulated API.
    pub listen: SocketAddr,
    /// Address of the control endpoint, which must be a loopback one; `None` goes without.
    pub control_listen: Option<SocketAddr>,
    /// The scenario at the start.
    pub scenario: Scenario,
    /// How many organizations there are.
    pub organizations: usize,
    /// Mean length of an organization's list.
    pub invitations: usize,
    /// Exact length of each list in [`Scenario::Large`].
    pub large_invitations: usize,
    /// What everything that looks like chance comes from.
    pub seed: u64,
    /// How many simulated seconds pass in a real one; at 0, only [`Simulator::advance`](super::Simulator::advance) lets time pass.
    pub speed: f64,
    /// `expires_in` of access tokens.
    pub token_lifetime: Duration,
    /// A pause before each answer.
    pub latency: Duration,
    /// How long [`Scenario::Slow`] takes for each answer.
    pub slow_delay: Duration,
    /// How long [`Scenario::Outage`] answers 5xx before it refuses connections.
    pub outage_grace: Duration,
    /// What [`Scenario::RateLimitStorm`] asks for, in whole seconds.
    pub retry_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: loopback,
            control_listen: Some(loopback),
            scenario: Scenario::Steady,
            organizations: 3,
            invitations: 300,
            large_invitations: 100_000,
            seed: 1,
            speed: 1.0,
            token_lifetime: Duration::from_secs(1800),
            latency: Duration::ZERO,
            slow_delay: Duration::from_secs(5),
            outage_grace: Duration::from_secs(3),
            retry_after: Duration::from_secs(2),
        }
    }
}
