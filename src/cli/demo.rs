//! Flags of `demo` and `simulate`.

use clap::Args;
use csp_simulator::Scenario;
use exporter_toolkit::web::listen::Address;

use super::{Listen, Log, StateFolder, Web};
use crate::build_info::LONG_VERSION;

/// Flags that shape the simulated API.
#[derive(Debug, Clone, Args)]
pub(crate) struct Simulated {
    /// What the simulated API does
    #[arg(long = "scenario", value_name = "NAME", value_enum, default_value = "steady")]
    pub scenario: Scenario,
    /// How many organizations there are
    #[arg(long = "organizations", value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub organizations: usize,
    /// How many invitations an organization has, about
    #[arg(long = "invitations", value_name = "N", default_value_t = 300)]
    pub invitations: usize,
    /// What everything that looks like chance comes from
    #[arg(long = "seed", value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Simulated seconds in a real one
    #[arg(long = "speed", value_name = "FACTOR", value_parser = speed)]
    pub speed: Option<f64>,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
#[command(version = LONG_VERSION, mut_arg("listen_addresses", |flag| flag.default_value("localhost:10094")))]
pub(crate) struct Demo {
    #[command(flatten)]
    pub simulated: Simulated,
    #[command(flatten)]
    pub listen: Listen,
    #[command(flatten)]
    pub web: Web,
    #[command(flatten)]
    pub state: StateFolder,
    #[command(flatten)]
    pub log: Log,
}

/// Flags of `simulate`.
#[derive(Debug, Args)]
#[command(version = LONG_VERSION)]
pub(crate) struct Simulate {
    /// Address of the simulated API; port 0 takes a free one
    #[arg(long = "listen", value_name = "[HOST]:PORT", default_value = "127.0.0.1:0")]
    pub listen: Address,
    /// Address of the control endpoint, a loopback one
    #[arg(long = "control.listen", value_name = "[HOST]:PORT")]
    pub control_listen: Option<Address>,
    #[command(flatten)]
    pub simulated: Simulated,
    #[command(flatten)]
    pub log: Log,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number, at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        _ => Err("expected a number, 0 or more".to_owned()),
    }
}
