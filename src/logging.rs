//! Log lines: one event is one line, and a dependency can't say what it should not.

mod line;

#[cfg(test)]
mod tests;

use clap::ValueEnum;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use line::Line;

/// The crates of this workspace, which log what their level says.
const OWN: [&str; 5] = [env!("CARGO_CRATE_NAME"), "csp_api", "csp_simulator", "exporter_toolkit", "invitations"];

/// The least important level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// What needs somebody
    Error,
    /// What may need somebody
    Warn,
    /// What happens
    Info,
    /// Why it happens
    Debug,
    /// Everything
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `ts=… level=info msg="…" key=value`
    Logfmt,
    /// One JSON object with the same keys
    Json,
}

/// Logs to standard error from here on. Only the first call counts.
pub fn init(level: Level, format: Format) {
    let subscriber = subscriber(level, format, std::io::stderr);
    // A test may have set one already; its own is then what it wants.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Logs to `writer`.
///
/// `level` is for the crates of this workspace. Dependencies are heard from `warn` upwards at most, whatever it is: below
/// that, HTTP libraries log headers and bodies, which carry credentials.
pub fn subscriber<W>(level: Level, format: Format, writer: W) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = LevelFilter::from(level);
    let targets = Targets::new().with_targets(OWN.map(|name| (name, level))).with_default(level.min(LevelFilter::WARN));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer)
        .fmt_fields(Line(format))
        .event_format(Line(format));
    tracing_subscriber::registry().with(targets).with(layer)
}
