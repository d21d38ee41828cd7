//! Flags of `serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use exporter_toolkit::web::TelemetryPath;

use super::{ConfigFile, Listen, Log, Sharding, StateFolder};
use crate::build_info::LONG_VERSION;
use crate::status::PATHS;

fn interval(text: &str) -> Result<Duration, String> {
    let interval = exporter_toolkit::document::parse_duration(text).filter(|interval| !interval.is_zero());
    interval.ok_or_else(|| "expected a duration above 0, such as 30s or 5m".to_owned())
}

/// Flags of `serve`.
#[derive(Debug, Args)]
#[command(version = LONG_VERSION)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Reload when the content of a configuration file has changed
    #[arg(
        long = "config.enable-auto-reload",
        env = "CSP_EXPORTER_CONFIG_ENABLE_AUTO_RELOAD",
        action = clap::ArgAction::SetTrue,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub auto_reload: bool,
    /// How often the configuration files are compared with what was read last
    #[arg(
        long = "config.auto-reload-interval",
        env = "CSP_EXPORTER_CONFIG_AUTO_RELOAD_INTERVAL",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = interval
    )]
    pub auto_reload_interval: Duration,
    #[command(flatten)]
    pub listen: Listen,
    /// Serve on the sockets that systemd hands over instead
    #[arg(
        long = "web.systemd-socket",
        env = "CSP_EXPORTER_WEB_SYSTEMD_SOCKET",
        action = clap::ArgAction::SetTrue,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub systemd_socket: bool,
    #[command(flatten)]
    pub web: Web,
    #[command(flatten)]
    pub state: StateFolder,
    #[command(flatten)]
    pub sharding: Sharding,
    #[command(flatten)]
    pub log: Log,
}

/// How it is served, `demo` included.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_field_names,
    reason = "clap tells flags apart by the names of fields: config_file is another one"
)]
pub(crate) struct Web {
    /// Path of the metrics
    #[arg(
        long = "web.telemetry-path",
        env = "CSP_EXPORTER_WEB_TELEMETRY_PATH",
        value_name = "PATH",
        default_value = "/metrics",
        value_parser = telemetry_path
    )]
    pub telemetry_path: TelemetryPath,
    /// TLS and authentication, in the format of the Prometheus exporter-toolkit
    #[arg(long = "web.config.file", env = "CSP_EXPORTER_WEB_CONFIG_FILE", value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,
    /// Scrapes at once, further ones get 503; 0 is no limit
    #[arg(long = "web.max-requests", env = "CSP_EXPORTER_WEB_MAX_REQUESTS", value_name = "N", default_value_t = 40)]
    pub max_requests: usize,
}

/// The path of the metrics, which must leave those of the status page alone.
fn telemetry_path(path: &str) -> Result<TelemetryPath, String> {
    if PATHS.contains(&path) { Err("is the path of another page".to_owned()) } else { path.parse() }
}
