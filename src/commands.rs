//! What each command does, and how it ends.

mod check;
mod demo;
mod healthcheck;
mod list;
mod once;
mod serve;
mod signals;
mod simulate;
mod systemd;
mod workers;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{self, Command, EXIT_FAILURE, EXIT_ORGANIZATION_FAILED, EXIT_USAGE};
use crate::config::{Config, Unusable};
use crate::logging::{self, Format, Level};
use crate::memory;
use crate::panics;
use workers::Workers;

/// Why a command ends early.
#[derive(Debug)]
enum Failure {
    /// Wrong usage or configuration; nothing was bound or sent.
    Configuration(String),
    /// Something went wrong while running.
    Running(String),
    /// `once` or `list`: an organization failed.
    Organization,
    /// Everything has been said already.
    Told,
}

impl Failure {
    fn configuration(problem: impl Display) -> Self {
        Self::Configuration(problem.to_string())
    }

    fn running(problem: impl Display) -> Self {
        Self::Running(problem.to_string())
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => EXIT_USAGE.into(),
            Self::Running(_) | Self::Told => EXIT_FAILURE.into(),
            Self::Organization => EXIT_ORGANIZATION_FAILED.into(),
        }
    }

    /// What to say on standard error: as it is, not as a log line, for it is a person who reads it.
    fn message(&self) -> Option<&str> {
        match self {
            Self::Configuration(message) | Self::Running(message) => Some(message),
            Self::Organization | Self::Told => None,
        }
    }
}

type Outcome = Result<(), Failure>;

/// Writes what a command has found to standard output, as a whole.
fn print(text: &[u8]) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        // As `list | head` ends: who read it has seen enough.
        io::ErrorKind::BrokenPipe => Failure::Told,
        _ => Failure::Running(unprintable(&error)),
    })
}

fn unprintable(error: &io::Error) -> String {
    format!("standard output cannot be written to: {error}")
}

/// The whole program: does what the arguments say, the program's name first, and returns the exit code. `main` calls it first of
/// all.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    signals::hold();
    match cli::parse(arguments) {
        Ok(command) => execute(command),
        Err(code) => code,
    }
}

/// Runs a command to its end.
fn execute(command: Command) -> ExitCode {
    if !matches!(command, Command::Serve(_) | Command::Demo(_) | Command::Simulate(_)) {
        // They end as any program does.
        signals::release();
    }
    let outcome = Workers::find().and_then(|workers| {
        start_logging(&command);
        memory::keep_to_itself();
        panics::watch();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| dispatch(command, &workers)));
        outcome.unwrap_or_else(|_| Err(Failure::running("it failed through a fault of its own")))
    });
    logging::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                logging::say(format!("csp-invitations-exporter: {message}\n"));
            }
            failure.exit_code()
        }
    }
}

fn dispatch(command: Command, workers: &Workers) -> Outcome {
    match command {
        Command::Serve(flags) => serve::run(flags, workers),
        Command::Demo(flags) => demo::run(flags, workers),
        Command::Simulate(flags) => simulate::run(&flags, workers),
        Command::Check(flags) => check::run(&flags, workers),
        Command::List(flags) => list::run(&flags, workers),
        Command::Once(flags) => once::run(&flags, workers),
        Command::Healthcheck(flags) => healthcheck::run(&flags),
    }
}

/// Commands without flags for it say what they have to say on standard output, and log faults of their own alone.
fn start_logging(command: &Command) {
    let log = match command {
        Command::Serve(flags) => Some(flags.log),
        Command::Demo(flags) => Some(flags.log),
        Command::Simulate(flags) => Some(flags.log),
        Command::List(flags) => Some(flags.log),
        Command::Once(flags) => Some(flags.log),
        Command::Check(_) | Command::Healthcheck(_) => None,
    };
    let (level, format) = log.map_or((Level::Error, Format::Logfmt), |log| (log.level, log.format));
    logging::init(level, format);
}

/// Said when the environment names organizations beside a configuration file.
const OVERRULED: &str = "CSP_ORGANIZATION_ID is set, but --config.file counts: unset one of them";

/// The configuration of a file or of the environment.
async fn configuration(file: Option<&Path>) -> Result<Config, Unusable> {
    if is_overruled(file) {
        tracing::warn!("{OVERRULED}");
    }
    crate::config::obtain(file, &|name| std::env::var_os(name)).await
}

/// [`configuration`] for a command that cannot go on without; says which file the problems are in.
async fn usable_configuration(file: Option<&Path>) -> Result<Config, Failure> {
    usable(file, configuration(file).await)
}

/// What was read, unless it cannot be used.
fn usable(file: Option<&Path>, read: Result<Config, Unusable>) -> Result<Config, Failure> {
    let config = read.map_err(|problems| match file {
        Some(file) => Failure::Configuration(format!("{} cannot be used:\n{problems}", file.display())),
        None => Failure::configuration(problems),
    })?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

fn is_overruled(file: Option<&Path>) -> bool {
    crate::config::is_overruled(file, &|name| std::env::var_os(name))
}
