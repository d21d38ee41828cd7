//! The command line: commands, flags, their environment variables, and exit codes.

mod arguments;
mod demo;
mod healthcheck;
mod list;
mod serve;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use exporter_toolkit::web::listen::Address;

use crate::build_info::LONG_VERSION;
use crate::logging::{Format, Level};
use crate::shard::Shard;

use arguments::Prepared;
pub(crate) use demo::{Demo, Simulate, Simulated};
pub(crate) use healthcheck::Healthcheck;
pub(crate) use list::{List, ListFormat, Sort};
pub(crate) use serve::{Serve, Web};

/// Exit code of a failure while running.
pub(crate) const EXIT_FAILURE: u8 = 1;
/// Exit code of `once` when an organization failed.
pub(crate) const EXIT_ORGANIZATION_FAILED: u8 = 2;
/// Exit code of wrong usage or configuration: nothing was bound or sent. `EX_USAGE` of BSD's `sysexits.h`.
pub(crate) const EXIT_USAGE: u8 = 64;

const NAME: &str = "csp-invitations-exporter";

#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version = LONG_VERSION,
    about = "Prometheus exporter for organization invitations of VMware Cloud Services",
    subcommand_required = true,
    after_help = "Without a command, `serve` runs: its flags work without naming it."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do, with its flags.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Poll and serve until SIGTERM or SIGINT; runs when no command is named
    Serve(Serve),
    /// Show the whole product with no account: a simulated API, and the exporter in front of it
    Demo(Demo),
    /// Run the simulated API alone
    Simulate(Simulate),
    /// Validate the configuration and print what would run
    Check(Check),
    /// Print the invitations themselves, for the person who acts on an alert; the output is personal data
    List(List),
    /// Poll each organization once and print its metrics
    Once(Once),
    /// Ask a running exporter whether it is alive, for the health check of a container
    Healthcheck(Healthcheck),
}

/// Flags of `check`.
#[derive(Debug, Args)]
#[command(version = LONG_VERSION)]
pub(crate) struct Check {
    #[command(flatten)]
    pub config: ConfigFile,
    /// The web configuration to validate as well
    #[arg(long = "web.config.file", env = "CSP_EXPORTER_WEB_CONFIG_FILE", value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,
    #[command(flatten)]
    pub sharding: Sharding,
    /// Also exchange each credential and fetch each organization once
    #[arg(long = "online")]
    pub online: bool,
    /// Print what the answers look like instead, without saying anything about anybody: for a bug report
    #[arg(long = "shape", requires = "online")]
    pub shape: bool,
}

/// Flags of `once`.
#[derive(Debug, Args)]
#[command(
    version = LONG_VERSION,
    mut_arg("state_dir", |flag| flag.help("Folder of the lifecycle state; without it there are no lifecycle counters"))
)]
pub(crate) struct Once {
    #[command(flatten)]
    pub config: ConfigFile,
    #[command(flatten)]
    pub state: StateFolder,
    #[command(flatten)]
    pub sharding: Sharding,
    #[command(flatten)]
    pub log: Log,
    /// Write to this file, replaced as a whole, instead of standard output
    #[arg(long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Where it is served.
#[derive(Debug, Clone, Args)]
pub(crate) struct Listen {
    /// Address to serve on; give it several times, or separated by commas, for several
    #[arg(
        long = "web.listen-address",
        env = "CSP_EXPORTER_WEB_LISTEN_ADDRESS",
        value_name = "[HOST]:PORT",
        value_delimiter = ',',
        default_value = ":10094"
    )]
    pub listen_addresses: Vec<Address>,
    /// Address for the health endpoints alone, plain HTTP and without authentication
    #[arg(
        long = "web.probe-listen-address",
        env = "CSP_EXPORTER_WEB_PROBE_LISTEN_ADDRESS",
        value_name = "[HOST]:PORT"
    )]
    pub probe_listen_address: Option<Address>,
}

/// Where the lifecycle state is.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateFolder {
    /// Folder of the lifecycle state, which then survives restarts
    #[arg(long = "state.dir", env = "CSP_EXPORTER_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; without it, `CSP_ORGANIZATION_ID` and its companions are read
    #[arg(long = "config.file", env = "CSP_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

/// Which part of the organizations this instance polls.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Sharding {
    /// Poll only this shard's organizations: `2/5`, or `auto/5` for the ordinal at the end of the host name plus one
    #[arg(long = "shard", env = "CSP_EXPORTER_SHARD", value_name = "INDEX/COUNT", value_parser = shard)]
    pub shard: Option<Shard>,
}

/// How much is logged, and how it looks. Logs go to standard error.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Log {
    /// The least important level that is logged
    #[arg(
        long = "log.level",
        env = "CSP_EXPORTER_LOG_LEVEL",
        value_name = "LEVEL",
        value_enum,
        default_value = "info"
    )]
    pub level: Level,
    /// The form of a line
    #[arg(
        long = "log.format",
        env = "CSP_EXPORTER_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "logfmt"
    )]
    pub format: Format,
}

/// The commands and flags as data, for documentation and completion.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// The exit code, after help, version or a usage error was printed.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    try_parse(arguments).map_err(|error| {
        // Nobody is left to tell when this fails.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
    })
}

/// [`parse`] without printing.
fn try_parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let definition = Cli::command().mut_subcommands(|command| command.display_name(NAME));
    let prepared = arguments::prepare(definition, arguments.into_iter().collect(), |name| std::env::var_os(name));
    let Prepared { definition, arguments } = prepared;
    let matches = definition.try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches).map(|cli| cli.command)
}

fn shard(text: &str) -> Result<Shard, String> {
    Shard::parse(text, hostname)
}

/// The host's name: what `HOSTNAME` says, as container engines set it, else what the kernel says.
fn hostname() -> String {
    let given = std::env::var_os("HOSTNAME").as_deref().and_then(OsStr::to_str).map(str::to_owned);
    given
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned())
}
