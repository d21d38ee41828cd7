//! Signals: drain, abort, reload.

use std::io;
use std::process;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::EXIT_FAILURE;
use crate::exporter::Exporter;
use crate::logging;

use super::systemd::Systemd;

/// A token that the first SIGTERM or SIGINT cancels; the second one ends the process at once.
///
/// # Errors
/// When the system refuses the handlers.
pub(super) fn shutdown() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if token.is_cancelled() {
                warn!("second signal: aborting");
                logging::flush();
                process::exit(EXIT_FAILURE.into());
            }
            info!("shutting down: requests under way are finished, then the state is written");
            token.cancel();
        }
    });
    Ok(shutdown)
}

/// Reloads the configuration at each SIGHUP, and tells systemd.
///
/// # Errors
/// When the system refuses the handler.
pub(super) fn reload_on_hangup(exporter: Arc<Exporter>, systemd: Systemd) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            systemd.reloading();
            // The outcome is logged and counted by the reload itself.
            let outcome = exporter.reload_configuration().await;
            systemd.reloaded(&outcome, &exporter);
        }
    });
    Ok(())
}
