//! Flags of `healthcheck`.

use clap::Args;
use exporter_toolkit::web::listen::Address;

use crate::build_info::LONG_VERSION;

/// Flags of `healthcheck`: those of `serve` that say where it listens, so that both read the same environment.
#[derive(Debug, Args)]
#[command(version = LONG_VERSION)]
pub struct Healthcheck {
    /// Where the exporter listens; of several addresses the first is asked
    #[arg(
        long = "web.listen-address",
        env = "CSP_EXPORTER_WEB_LISTEN_ADDRESS",
        value_name = "[HOST]:PORT",
        value_delimiter = ',',
        default_value = ":10094"
    )]
    pub listen_addresses: Vec<Address>,
    /// Where it answers health checks alone; this address is asked when it is given. Needed with TLS and users
    #[arg(
        long = "web.probe-listen-address",
        env = "CSP_EXPORTER_WEB_PROBE_LISTEN_ADDRESS",
        value_name = "[HOST]:PORT"
    )]
    pub probe_listen_address: Option<Address>,
}

impl Healthcheck {
    /// The address to ask.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.probe_listen_address.as_ref().or(self.listen_addresses.first())
    }
}
