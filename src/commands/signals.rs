//! Signals: drain, abort, reload.

use std::io;
use std::process;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::EXIT_FAILURE;
use crate::exporter::Exporter;
use crate::logging;

use super::systemd::Systemd;

/// What a file that is larger than it may be brings; the same number on every Linux but that on MIPS.
const SIGXFSZ: i32 = 25;

/// A token that the first SIGTERM or SIGINT cancels; the second one ends the process at once.
///
/// # Errors
/// When the system refuses the handlers.
pub(super) fn shutdown() -> io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let (installed, is_installed) = mpsc::sync_channel(1);
    // A thread of its own: whatever the others wait for, the second signal is obeyed.
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let outcome = runtime.and_then(|runtime| runtime.block_on(listen(&token, &installed)));
        // Nobody listens any more when the handlers were installed.
        let _ = installed.send(outcome);
    })?;
    is_installed.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for signals is gone")))?;
    Ok(shutdown)
}

async fn listen(token: &CancellationToken, installed: &mpsc::SyncSender<io::Result<()>>) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let _ = installed.send(Ok(()));
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
}

/// Of a file that may not grow any more (`ulimit -f`) the write says so from now on; otherwise the process would be killed
/// and leave half a file behind.
pub(super) fn survive_limits() {
    // The handler stays when nobody listens to it any more. Without one all is well but for this limit.
    let _ = signal(SignalKind::from_raw(SIGXFSZ));
}

/// SIGHUPs from now on, to be [obeyed](reload_on_hangup) once there is something to reload. Called first of all: until then
/// a SIGHUP ends the process, and who starts it may send one at once.
///
/// # Errors
/// When the system refuses the handler.
pub(super) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Reloads the configuration at each SIGHUP, and tells systemd.
pub(super) fn reload_on_hangup(mut hangups: Signal, exporter: Arc<Exporter>, systemd: Systemd) {
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            systemd.reloading();
            // The outcome is logged and counted by the reload itself.
            let outcome = exporter.reload_configuration().await;
            systemd.reloaded(&outcome, &exporter);
        }
    });
}
