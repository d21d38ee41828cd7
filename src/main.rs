//! The binary: arguments in, exit code out. Everything else is in the library.

use std::process::ExitCode;

use csp_invitations_exporter::{cli, commands};

fn main() -> ExitCode {
    commands::hold_signals();
    match cli::parse(std::env::args_os()) {
        Ok(command) => commands::run(command),
        Err(code) => code,
    }
}
