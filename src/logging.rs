//! Log lines: one event is one line, and a dependency can't say what it should not.

mod failure;
mod line;
mod queue;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use clap::ValueEnum;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

pub(crate) use failure::call_failed;
use line::Line;
use queue::Queue;

/// The crates of this workspace, which log what their level says.
const OWN: [&str; 7] = [
    env!("CARGO_CRATE_NAME"),
    "csp_api",
    "csp_simulator",
    "exporter_toolkit",
    "file_reader",
    "invitations",
    "pem_text",
];

/// The least important level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
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
pub(crate) enum Format {
    /// `ts=… level=info msg="…" key=value`
    Logfmt,
    /// One JSON object with the same keys
    Json,
}

/// The queue of this process's standard error, once there is one.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Logs to standard error from here on, without ever waiting for it. Only the first call counts.
pub(crate) fn init(level: Level, format: Format) {
    let queue = QUEUE.get_or_init(|| Queue::of_standard_error(format)).clone();
    // A test may have set one already; its own is then what it wants.
    let _ = tracing::subscriber::set_global_default(subscriber(level, format, queue));
}

/// How many lines were dropped since the start because standard error did not take them.
#[must_use]
pub(crate) fn lines_dropped() -> u64 {
    QUEUE.get().map_or(0, Queue::dropped)
}

/// Waits until the lines so far are written, for a second at the most. Before the end of the process.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush();
    }
}

/// Says the last words of a command on standard error, as they are: it is a person who reads them. Waits for a second at
/// the most, and does not mind a standard error that is closed.
pub(crate) fn say(text: impl Into<String>) {
    flush();
    queue::say(text.into());
}

/// Logs to `writer`.
///
/// `level` is for the crates of this workspace. Dependencies are heard from `warn` upwards at most, whatever it is: below
/// that, HTTP libraries log headers and bodies, which carry credentials.
pub(crate) fn subscriber<W>(level: Level, format: Format, writer: W) -> impl Subscriber + Send + Sync + 'static
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
