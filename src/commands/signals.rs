//! Signals: drain, abort, reload.

use std::io;
use std::process;
use std::sync::{Arc, mpsc};
use std::thread;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::EXIT_FAILURE;
use crate::exporter::Exporter;
use crate::logging;

use super::systemd::Systemd;

/// What commands obey.
const OBEYED: [Number; 3] = [Number::SIGHUP, Number::SIGTERM, Number::SIGINT];

/// Lets signals wait until somebody obeys them, from the first moment of `main` on: a supervisor may send one as soon as it
/// has started the process, and without a handler a SIGHUP ends it. As the first process of a container it would be worse:
/// there the kernel drops what has no handler, a SIGTERM too.
///
/// What comes before `main`, while the system loads the program, takes the system's way: that is the moment that no program
/// can cover, about a millisecond.
pub(super) fn hold() {
    // It fails for signals that do not exist.
    let _ = SigSet::from_iter(OBEYED).thread_block();
}

/// Takes the signals that wait, in this thread, and those that come: by handlers where there are any, else in the system's
/// way. Also those that the process was started with as waiting, by whoever blocked them and forgot to undo it.
pub(super) fn release() {
    let _ = SigSet::from_iter(OBEYED).thread_unblock();
}

/// What a file that is larger than it may be brings; the same number on every Linux but that on MIPS.
const SIGXFSZ: i32 = 25;

/// A token that the first SIGTERM or SIGINT cancels; the second one ends the process at once. Signals that were
/// [held](hold) are taken from here on, so [`hangups`] comes first.
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
    // Here and in no other thread: whatever those wait for, this one takes every signal.
    release();
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
        info!("shutting down: requests under way are finished");
        token.cancel();
    }
}

/// Of a file that may not grow any more (`ulimit -f`) the write says so from now on; otherwise the process would be killed
/// and leave half a file behind.
pub(super) fn survive_limits() {
    // The handler stays when nobody listens to it any more. Without one all is well but for this limit.
    let _ = signal(SignalKind::from_raw(SIGXFSZ));
}

/// SIGHUPs, those that were [held](hold) too, to be [obeyed](reload_on_hangup) once there is something to reload.
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
