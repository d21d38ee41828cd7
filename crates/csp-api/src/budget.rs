//! What all organizations share: how many requests run at once, how fast they start on each host, and the pauses that a
//! host asks for.

mod host;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use url::Url;

pub(crate) use host::Hold;
pub use host::{Denied, Host, Turn};

/// The limits over all requests of a process.
///
/// It outlives changes of the settings: a reload changes the limits under the queues, which stay as they are.
#[derive(Debug)]
pub struct Budget {
    limits: watch::Sender<Limits>,
    /// How often back-offs have been ended.
    resumes: watch::Sender<u64>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// The limits as they are configured now.
#[derive(Debug, Clone)]
struct Limits {
    /// The time between two starts on one host; nothing without a limit.
    period: Duration,
    max_concurrent: usize,
    /// Over all hosts. Another number of them is another semaphore: what runs on the old one ends by itself.
    places: Arc<Semaphore>,
}

impl Limits {
    fn new(requests_per_second: Option<f64>, max_concurrent: usize) -> Self {
        let places = Arc::new(Semaphore::new(max_concurrent.clamp(1, Semaphore::MAX_PERMITS)));
        Self { period: period(requests_per_second), max_concurrent, places }
    }
}

/// A rate that is too slow for a [`Duration`] is one request in some centuries.
fn period(requests_per_second: Option<f64>) -> Duration {
    requests_per_second.map_or(Duration::ZERO, |rate| {
        Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(u64::from(u32::MAX)))
    })
}

impl Budget {
    /// At most `max_concurrent` requests at once over all hosts, and so many starts a second on each; `None` is no limit.
    #[must_use]
    pub fn new(requests_per_second: Option<f64>, max_concurrent: usize) -> Self {
        Self {
            limits: watch::Sender::new(Limits::new(requests_per_second, max_concurrent)),
            resumes: watch::Sender::new(0),
            hosts: Mutex::default(),
        }
    }

    /// Goes over to other limits. Who waits keeps its place in the queue.
    pub fn set_limits(&self, requests_per_second: Option<f64>, max_concurrent: usize) {
        self.limits.send_if_modified(|limits| {
            let (before, now) = ((limits.period, limits.max_concurrent), (period(requests_per_second), max_concurrent));
            if before.1 != now.1 {
                *limits = Limits::new(requests_per_second, max_concurrent);
            }
            limits.period = now.0;
            before != now
        });
    }

    /// The budget of the host that a URL is of: another port is another host.
    #[must_use]
    pub fn host(&self, url: &Url) -> Arc<Host> {
        let name =
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let new = || Arc::new(Host::new(self.limits.subscribe(), self.resumes.subscribe()));
        Arc::clone(self.hosts.lock().entry(name).or_insert_with(new))
    }

    /// Ends every back-off now. A pause that the service asked for stays: whoever asks for reloads in a loop must not be
    /// able to hurry what the service wants to be slow.
    pub fn resume(&self) {
        self.resumes.send_modify(|resumes| *resumes = resumes.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests;
