//! `simulate`: the simulated API alone.

use std::io;
use std::net::SocketAddr;

use csp_simulator::{self as simulator, Options, Simulator};
use exporter_toolkit::web::listen::Address;

use super::workers::Workers;
use super::{Failure, Outcome, signals, unprintable};
use crate::cli::{Simulate, Simulated};

pub(super) fn run(flags: &Simulate, workers: &Workers) -> Outcome {
    let defaults = Options::default();
    let control_listen = match &flags.control_listen {
        Some(address) => Some(first(address)?),
        None => defaults.control_listen,
    };
    let speed = flags.simulated.speed.unwrap_or(defaults.speed);
    let options = Options { listen: first(&flags.listen)?, control_listen, ..options(&flags.simulated, speed) };
    workers.block_on(async {
        let shutdown = signals::shutdown().map_err(Failure::running)?;
        let banner = |simulator: &Simulator| {
            simulator.write_banner(io::stdout()).map_err(|error| io::Error::other(unprintable(&error)))
        };
        simulator::run(options, banner, shutdown.cancelled()).await.map_err(|error| match error.kind() {
            // Known before anything is bound: an address that is not a loopback one.
            io::ErrorKind::InvalidInput => Failure::configuration(error),
            _ => Failure::running(error),
        })
    })?
}

/// What the flags that `simulate` and `demo` share say.
pub(super) fn options(flags: &Simulated, speed: f64) -> Options {
    let Simulated { scenario, organizations, invitations, seed, speed: _ } = *flags;
    Options { scenario, organizations, invitations, seed, speed, ..Options::default() }
}

fn first(address: &Address) -> Result<SocketAddr, Failure> {
    let candidates = address.candidates().map_err(|error| Failure::configuration(format!("{address}: {error}")))?;
    candidates.first().copied().ok_or_else(|| Failure::configuration(format!("{address} has no address")))
}
