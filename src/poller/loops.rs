//! How loops are started and stopped, whatever they are about.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many loops start at once, and the others in steps of as many.
const AT_ONCE: usize = 32;
/// Time between two steps: sooner than polls are made, however large the budget is, and late enough to leave processors to
/// others meanwhile.
const STEP: Duration = Duration::from_millis(10);

/// A loop that runs, or is about to.
#[derive(Debug)]
pub(super) struct Loop<T> {
    pub(super) subject: Arc<T>,
    pub(super) stop: CancellationToken,
    pub(super) wake: Arc<Notify>,
}

impl<T> Loop<T> {
    /// A loop about `subject` that ends with `all`, if not before.
    pub(super) fn new(subject: &Arc<T>, all: &CancellationToken) -> Self {
        Self { subject: Arc::clone(subject), stop: all.child_token(), wake: Arc::default() }
    }
}

/// Starts these loops, each of which is `run` until it is stopped: the first of them at once, the others by and by, unless
/// `all` are stopped before. Ten thousand that start together would keep the runtime from everybody else for a while: from
/// who looks whether the process lives, and from the first scrape.
pub(super) fn start<T, F>(
    tasks: &TaskTracker,
    all: &CancellationToken,
    starting: Vec<(CancellationToken, T)>,
    run: impl Fn(T) -> F + Send + 'static,
) where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let own = tasks.clone();
    let mut starting = starting.into_iter();
    let mut start_some = move || {
        let started = starting.by_ref().take(AT_ONCE);
        started.for_each(|(stop, task)| drop(own.spawn(stop.run_until_cancelled_owned(run(task)))));
        !starting.as_slice().is_empty()
    };
    if start_some() {
        tasks.spawn(all.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(STEP).await;
                if !start_some() {
                    break;
                }
            }
        }));
    }
}

/// Stops the loops of subjects that are gone or whose settings changed.
pub(super) fn stop_others<K: Eq + Hash, T: PartialEq>(
    loops: &mut HashMap<K, Loop<T>>,
    stay: &[Arc<T>],
    key: impl Fn(&T) -> K,
) {
    if loops.is_empty() {
        return;
    }
    let stay: HashMap<K, &Arc<T>> = stay.iter().map(|subject| (key(subject), subject)).collect();
    loops.retain(|key, of| {
        let stays = stay.get(key).is_some_and(|subject| **subject == of.subject);
        if !stays {
            of.stop.cancel();
        }
        stays
    });
}
