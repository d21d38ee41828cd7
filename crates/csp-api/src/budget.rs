//! What all organizations share: how many requests run at once, how fast they start on each host, and the pauses that a
//! host asks for.

mod host;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
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
    hosts: usize,
    /// Another number of places, or of hosts, is other places: what runs on the old ones ends by itself.
    places: Arc<Places>,
}

impl Limits {
    fn new(requests_per_second: Option<f64>, max_concurrent: usize, hosts: usize) -> Self {
        let places = Arc::new(Places::new(max_concurrent, hosts));
        Self { period: period(requests_per_second), max_concurrent, hosts, places }
    }
}

/// How many requests may be under way at once, over all hosts. Where there are several hosts, and places enough, one place
/// is each one's own: a host that takes requests and does not answer holds every place that it gets for as long as a
/// request may take, and has the others wait for all but this one.
#[derive(Debug)]
struct Places {
    shared: Arc<Semaphore>,
    /// By the name of the host.
    own: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// How many hosts have one of their own.
    owners: usize,
}

impl Places {
    fn new(max_concurrent: usize, hosts: usize) -> Self {
        let all = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let owners = if (2..all).contains(&hosts) { hosts } else { 0 };
        Self { shared: Arc::new(Semaphore::new(all - owners)), own: Mutex::default(), owners }
    }

    /// A place for this host.
    async fn take(&self, host: &str) -> Result<OwnedSemaphorePermit, AcquireError> {
        let own = {
            let mut own = self.own.lock();
            // A host that was configured before has none.
            let places = usize::from(own.len() < self.owners);
            Arc::clone(own.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(places))))
        };
        tokio::select! {
            biased;
            place = own.acquire_owned() => place,
            place = Arc::clone(&self.shared).acquire_owned() => place,
        }
    }
}

/// A rate that is too slow for a [`Duration`] is one request in some centuries.
fn period(requests_per_second: Option<f64>) -> Duration {
    requests_per_second.map_or(Duration::ZERO, |rate| {
        Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(u64::from(u32::MAX)))
    })
}

impl Budget {
    /// At most `max_concurrent` requests at once over all `hosts`, and so many starts a second on each; `None` is no limit.
    #[must_use]
    pub fn new(requests_per_second: Option<f64>, max_concurrent: usize, hosts: usize) -> Self {
        Self {
            limits: watch::Sender::new(Limits::new(requests_per_second, max_concurrent, hosts)),
            resumes: watch::Sender::new(0),
            hosts: Mutex::default(),
        }
    }

    /// Goes over to other limits. Who waits keeps its place in the queue.
    pub fn set_limits(&self, requests_per_second: Option<f64>, max_concurrent: usize, hosts: usize) {
        self.limits.send_if_modified(|limits| {
            let before = (limits.period, limits.max_concurrent, limits.hosts);
            let now = (period(requests_per_second), max_concurrent, hosts);
            if (before.1, before.2) != (now.1, now.2) {
                *limits = Limits::new(requests_per_second, max_concurrent, hosts);
            }
            limits.period = now.0;
            before != now
        });
    }

    /// The budget of the host that a URL is of: another port is another host.
    #[must_use]
    pub fn host(&self, url: &Url) -> Arc<Host> {
        let name = name(url);
        let new = || Arc::new(Host::new(name.clone(), self.limits.subscribe(), self.resumes.subscribe()));
        Arc::clone(self.hosts.lock().entry(name.clone()).or_insert_with(new))
    }

    /// Ends every back-off now. A pause that the service asked for stays: whoever asks for reloads in a loop must not be
    /// able to hurry what the service wants to be slow.
    pub fn resume(&self) {
        self.resumes.send_modify(|resumes| *resumes = resumes.wrapping_add(1));
    }
}

/// How many hosts these URLs are of.
pub(crate) fn count_hosts<'u>(urls: impl Iterator<Item = &'u Url>) -> usize {
    urls.map(name).collect::<HashSet<_>>().len()
}

fn name(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
mod tests;
