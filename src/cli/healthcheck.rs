//! Flags of `healthcheck`.

use clap::Args;
use exporter_toolkit::web::listen::Address;

use super::Listen;
use crate::build_info::LONG_VERSION;

/// Flags of `healthcheck`: those of `serve` that say where it listens, so that both read the same environment.
#[derive(Debug, Args)]
#[command(
    version = LONG_VERSION,
    mut_arg("listen_addresses", |flag| flag.help("Where the exporter listens; of several addresses the first is asked")),
    mut_arg("probe_listen_address", |flag| {
        flag.help("Where it answers health checks alone; this address is asked when it is given. Needed with TLS and users")
    })
)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    pub listen: Listen,
}

impl Healthcheck {
    /// The address to ask.
    #[must_use]
    pub(crate) fn address(&self) -> Option<&Address> {
        let Listen { listen_addresses, probe_listen_address } = &self.listen;
        probe_listen_address.as_ref().or(listen_addresses.first())
    }
}
