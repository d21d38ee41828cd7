//! What systemd is told, where it started the process (`Type=notify`): that it serves, that it is alive, how it fares.
//!
//! **Who waits for whom?** A message goes through a bounded queue to a thread of its own, which alone may wait for
//! systemd's socket, as long as it must; a message that does not fit is dropped. Where systemd does not listen, there is
//! neither. The end of the process waits for a second at the most.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use exporter_toolkit::web::Application as _;
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::exporter::Exporter;

/// How often the status line is looked at, where no watchdog asks for more.
const PACE: Duration = Duration::from_secs(10);

/// Messages that wait at the most. Later ones say the same and more.
const MESSAGES: usize = 16;

/// How long the end waits for systemd's socket.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to systemd; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Systemd {
    messages: Option<SyncSender<Vec<Message>>>,
    /// Half of the time after which systemd takes a silent process for dead.
    watchdog: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    Ready,
    Reloading,
    Alive,
    Status(String),
}

impl Systemd {
    /// The way to systemd, if it started this process and listens.
    pub(super) fn connect() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self { messages: None, watchdog: None };
        }
        let mut micros = 0;
        let watchdog = sd_notify::watchdog_enabled(false, &mut micros).then(|| Duration::from_micros(micros) / 2);
        let (messages, received) = queue();
        let told = thread::Builder::new().name("systemd".to_owned()).spawn(move || {
            for message in received {
                // Nobody is left to tell when this fails.
                let _ = sd_notify::notify(false, &message.iter().map(state).collect::<Vec<_>>());
            }
        });
        Self { messages: told.ok().map(|_| messages), watchdog }
    }

    fn tell(&self, message: Vec<Message>) {
        if let Some(messages) = &self.messages {
            let _ = messages.try_send(message);
        }
    }

    /// A reload has begun.
    pub(super) fn reloading(&self) {
        self.tell(vec![Message::Reloading]);
    }

    /// A reload has ended, well or not.
    pub(super) fn reloaded(&self, outcome: &Result<(), String>, exporter: &Exporter) {
        let verdict = match outcome {
            Ok(()) => "reloaded",
            Err(_) => "the configuration was not reloaded and the old one stays: see the log",
        };
        self.tell(vec![Message::Ready, Message::Status(format!("{verdict}; {}", summary(exporter)))]);
    }

    /// Says that everything listens, then how the exporter fares and that it lives, until `shutdown`. A heartbeat that
    /// has stopped is not reported as life: the watchdog asks what `/livez` asks.
    pub(super) async fn follow(self, exporter: std::sync::Arc<Exporter>, shutdown: CancellationToken) {
        if self.messages.is_none() {
            return;
        }
        let mut last = summary(&exporter);
        self.tell(vec![Message::Ready, Message::Status(last.clone())]);
        let mut ticks = tokio::time::interval(self.watchdog.unwrap_or(PACE).min(PACE));
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if exporter.health().is_ok() {
                self.tell(vec![Message::Alive]);
            }
            let now = summary(&exporter);
            if now != last {
                self.tell(vec![Message::Status(now.clone())]);
                last = now;
            }
        }
    }

    /// The end has begun. Waits until systemd has heard it, for a second at the most: the process may be gone before the
    /// thread comes round to it.
    pub(super) async fn stopping(&self) {
        if self.messages.is_none() {
            return;
        }
        let status = NotifyState::Status("finishing requests and writing the state");
        let tell = tokio::task::spawn_blocking(move || sd_notify::notify(false, &[NotifyState::Stopping, status]));
        let _ = tokio::time::timeout(PATIENCE, tell).await;
    }
}

fn queue() -> (SyncSender<Vec<Message>>, Receiver<Vec<Message>>) {
    mpsc::sync_channel(MESSAGES)
}

fn state(message: &Message) -> NotifyState<'_> {
    match message {
        Message::Ready => NotifyState::Ready,
        Message::Reloading => NotifyState::Reloading,
        Message::Alive => NotifyState::Watchdog,
        Message::Status(text) => NotifyState::Status(text),
    }
}

/// `3 organizations: 1 failing, 1 not yet polled`, as `systemctl status` shows it.
fn summary(exporter: &Exporter) -> String {
    let organizations = exporter.status().organizations;
    let failing = organizations.iter().filter(|one| one.up == Some(false)).count();
    let waiting = organizations.iter().filter(|one| one.up.is_none()).count();
    describe(organizations.len(), failing, waiting)
}

fn describe(all: usize, failing: usize, waiting: usize) -> String {
    let noun = if all == 1 { "organization" } else { "organizations" };
    let troubles = [(failing, "failing"), (waiting, "not yet polled")];
    let troubles: Vec<String> =
        troubles.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if troubles.is_empty() {
        format!("{all} {noun}, all polled")
    } else {
        format!("{all} {noun}: {}", troubles.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_systemd_that_takes_no_messages_and_few_of_them_are_kept() {
        let (messages, received) = queue();
        let systemd = Systemd { messages: Some(messages), watchdog: None };
        for _ in 0..1000 {
            systemd.reloading();
        }
        drop(systemd);
        assert_eq!(received.iter().count(), MESSAGES);
    }

    #[test]
    fn the_status_line_counts_who_is_in_trouble() {
        assert_eq!(describe(1, 0, 0), "1 organization, all polled");
        assert_eq!(describe(3, 1, 1), "3 organizations: 1 failing, 1 not yet polled");
        assert_eq!(describe(3, 2, 0), "3 organizations: 2 failing");
    }
}
