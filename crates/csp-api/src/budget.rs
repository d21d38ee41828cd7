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
    /// Another number of places, or other hosts, is other places: what runs on the old ones ends by itself.
    places: Arc<Places>,
}

impl Limits {
    fn new(requests_per_second: Option<f64>, max_concurrent: usize, hosts: HashSet<String>) -> Self {
        Self { period: period(requests_per_second), places: Arc::new(Places::new(max_concurrent, hosts)) }
    }
}

/// How many requests may be under way at once, over all hosts. Where there are several hosts, and a place for each, one place
/// is each one's own: a host that takes requests and does not answer holds every place that it gets for as long as a
/// request may take, and has the others wait for all but this one.
#[derive(Debug)]
struct Places {
    max_concurrent: usize,
    hosts: HashSet<String>,
    shared: Arc<Semaphore>,
    /// By the name of the host.
    own: HashMap<String, Arc<Semaphore>>,
}

impl Places {
    fn new(max_concurrent: usize, hosts: HashSet<String>) -> Self {
        let all = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let owners = hosts.iter().filter(|_| (2..=all).contains(&hosts.len()));
        let own: HashMap<_, _> = owners.map(|host| (host.clone(), Arc::new(Semaphore::new(1)))).collect();
        Self { max_concurrent, shared: Arc::new(Semaphore::new(all - own.len())), own, hosts }
    }

    /// A place for this host.
    async fn take(&self, host: &str) -> Result<OwnedSemaphorePermit, AcquireError> {
        let shared = Arc::clone(&self.shared).acquire_owned();
        // A host that is not configured any more has none of its own, and borrows one where none is shared.
        let borrowed = || self.own.values().next().filter(|_| self.own.len() >= self.max_concurrent);
        let Some(own) = self.own.get(host).or_else(borrowed) else { return shared.await };
        tokio::select! {
            biased;
            place = Arc::clone(own).acquire_owned() => place,
            place = shared => place,
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
    /// At most `max_concurrent` requests at once over all hosts, and so many starts a second on each; `None` is no limit.
    /// `hosts` are the `names` of those that are configured.
    #[must_use]
    pub fn new(requests_per_second: Option<f64>, max_concurrent: usize, hosts: HashSet<String>) -> Self {
        Self {
            limits: watch::Sender::new(Limits::new(requests_per_second, max_concurrent, hosts)),
            resumes: watch::Sender::new(0),
            hosts: Mutex::default(),
        }
    }

    /// Goes over to other limits. Who waits keeps its place in the queue.
    pub(super) fn set_limits(&self, requests_per_second: Option<f64>, max_concurrent: usize, hosts: HashSet<String>) {
        self.limits.send_if_modified(|limits| {
            let has_other_places = limits.places.max_concurrent != max_concurrent || limits.places.hosts != hosts;
            let before = limits.period;
            if has_other_places {
                *limits = Limits::new(requests_per_second, max_concurrent, hosts);
            }
            limits.period = period(requests_per_second);
            has_other_places || before != limits.period
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

/// The names of the hosts that these URLs are of.
pub(crate) fn names<'u>(urls: impl Iterator<Item = &'u Url>) -> HashSet<String> {
    urls.map(name).collect()
}

fn name(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
mod tests;
