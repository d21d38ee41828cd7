//! The binary: arguments in, exit code out. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    csp_invitations_exporter::commands::run(std::env::args_os())
}
