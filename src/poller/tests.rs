//! Schedules and states, on a clock that stands still and with an upstream that is made up.

/// What a source says of API tokens that has none.
macro_rules! no_api_tokens {
    () => {
        fn api_token_expiration(
            &self,
            _: Arc<Credential>,
            _: Deadline,
        ) -> BoxFuture<'static, Result<(SecretId, Option<Millis>), Error>> {
            std::future::pending().boxed()
        }

        fn api_token(&self, _: &Credential) -> watch::Receiver<Option<SecretId>> {
            watch::channel(None).1
        }

        fn read_api_token(&self, _: Arc<Credential>) -> BoxFuture<'static, ()> {
            async {}.boxed()
        }
    };
}

/// What a source says that keeps no access tokens and asks nothing over a network.
macro_rules! nothing_more {
    () => {
        fn access_token_expiration(&self, _: &Organization) -> Option<Millis> {
            None
        }

        fn console(&self, _: &Organization) -> Option<url::Url> {
            None
        }
    };
}

mod api_tokens;
mod crowds;
mod pauses;
mod questions;
mod reloads;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use csp_api::{Deadline, Error, Operation, Reason, SecretId};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use invitations::Millis;
use invitations::census::View;
use tokio::time::Instant;

use super::schedule::Phase;
use super::source::Polled;
use super::*;
use crate::config::{Credential, CredentialKind, Secret};
use crate::snapshot::OrganizationSnapshot;
use crate::state::Account;

const INTERVAL: Duration = Duration::from_secs(60);
/// The time since the epoch at which the pollers of these tests start: the same phases at each run.
const START: Duration = Duration::from_secs(1_790_000_000);

type Answer = Box<dyn Fn(&str, usize) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// Answers by organization and number of the poll.
struct Script {
    answer: Answer,
    polls: Mutex<Vec<(String, Instant)>>,
    resumed: AtomicUsize,
}

impl Script {
    fn new(answer: impl Fn(&str, usize) -> BoxFuture<'static, Result<(), Error>> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), polls: Mutex::default(), resumed: AtomicUsize::new(0) })
    }

    fn starts(&self, name: &str, since: Instant) -> Vec<Duration> {
        let polls = self.polls.lock();
        polls.iter().filter(|(of, _)| of == name).map(|(_, at)| *at - since).collect()
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Source for Script {
    fn poll(&self, organization: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>> {
        let mut polls = self.polls.lock();
        let number = polls.iter().filter(|(of, _)| *of == organization.name).count();
        polls.push((organization.name.clone(), Instant::now()));
        let answer = (self.answer)(&organization.name, number);
        deadline.begin(Instant::now());
        let at = deadline.at().expect("it counts");
        async move {
            match tokio::time::timeout_at(at, answer).await {
                Ok(result) => result.map(|()| polled()),
                Err(_) => Err(Error::new(Operation::Invitations, Reason::Timeout, "")),
            }
        }
        .boxed()
    }

    fn display_name(&self, of: Arc<Organization>, _: Deadline) -> BoxFuture<'static, Result<Option<String>, Error>> {
        async move { Ok(Some(format!("The {}", of.name))) }.boxed()
    }

    no_api_tokens!();
    nothing_more!();

    fn resume(&self) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }
}

fn polled() -> Polled {
    Polled { view: Arc::new(View::empty(Millis::from(std::time::SystemTime::now()))), lifecycle: Account::default() }
}

fn good() -> BoxFuture<'static, Result<(), Error>> {
    async { Ok(()) }.boxed()
}

fn bad() -> BoxFuture<'static, Result<(), Error>> {
    async { Err(Error::new(Operation::Invitations, Reason::ServerError, "")) }.boxed()
}

fn credential(name: &str) -> Arc<Credential> {
    let kind = CredentialKind::ApiToken { token: Secret::File("/nowhere".into()) };
    Arc::new(Credential { name: name.to_owned(), kind, url: None })
}

fn organization(name: &str) -> Arc<Organization> {
    Arc::new(Organization {
        id: format!("id-{name}"),
        custom_group_id: None,
        name: name.to_owned(),
        credential: credential("token"),
        interval: INTERVAL,
        deadline: Duration::from_secs(48),
        stale_after: 4 * INTERVAL,
    })
}

fn config(organizations: Vec<Arc<Organization>>) -> Config {
    Config { organizations, ..Config::with_defaults() }
}

fn start(organizations: Vec<Arc<Organization>>, source: &Arc<impl Source>) -> (Poller, Arc<Latest>) {
    let latest = Arc::new(Latest::default());
    let source: Arc<dyn Source> = Arc::clone(source) as _;
    let lifecycle = Arc::new(Lifecycle::in_memory());
    let timetable = Timetable::starting_at(START);
    (Poller::start_at(timetable, &config(organizations), source, Arc::clone(&latest), lifecycle, None), latest)
}

fn entry(latest: &Latest, name: &str) -> Option<Arc<OrganizationSnapshot>> {
    latest.snapshot().organizations.iter().find(|entry| entry.organization.name == name).cloned()
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// How long after the start an organization comes to its phase, one interval or more after its first poll.
fn phase(organization: &Organization) -> Duration {
    Phase::of(&organization.key()).next(organization.interval, START + organization.interval).abs_diff(START)
}

/// How long after the start an organization comes to its phase for the first time.
fn first_phase(organization: &Organization) -> Duration {
    Phase::of(&organization.key()).next(organization.interval, START).abs_diff(START)
}

/// As timers count.
fn in_millis(times: impl IntoIterator<Item = Duration>) -> Vec<u128> {
    times.into_iter().map(|time| time.as_nanos().div_ceil(1_000_000)).collect()
}

#[tokio::test(start_paused = true)]
async fn first_polls_start_at_once_and_the_others_at_the_organizations_phase() {
    let script = Script::new(|_, _| good());
    let begin = Instant::now();
    let (a, b) = (organization("a"), organization("b"));
    let (_poller, latest) = start(vec![Arc::clone(&a), Arc::clone(&b)], &script);
    pass(Duration::from_secs(239)).await;
    for organization in [a, b] {
        let first = phase(&organization);
        let mut wanted = vec![Duration::ZERO, first, first + INTERVAL, first + 2 * INTERVAL];
        wanted.retain(|at| *at < Duration::from_secs(239));
        assert_eq!(in_millis(script.starts(&organization.name, begin)), in_millis(wanted), "{}", organization.name);
    }
    let a = entry(&latest, "a").expect("a is there");
    assert_eq!((a.up, a.polls, a.display_name.as_deref()), (Some(true), 4, Some("The a")));
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_for_little_longer_than_an_interval_is_polled_again_before_it_is_withdrawn() {
    let script = Script::new(|_, _| good());
    let names = ["a", "b", "c", "d"];
    let with = |name: &&str| Arc::new(Organization { stale_after: INTERVAL * 3 / 2, ..(*organization(name)).clone() });
    let begin = Instant::now();
    let (_poller, _latest) = start(names.iter().map(with).collect(), &script);
    pass(3 * INTERVAL).await;
    for name in names {
        let starts = script.starts(name, begin);
        assert!(starts.len() >= 3, "{name}: {starts:?}");
        assert!(
            starts.windows(2).all(|pair| pair[1] <= pair[0] + INTERVAL + Duration::from_millis(1)),
            "{name}: {starts:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_with_many_organizations_lets_others_in_between() {
    let script = Script::new(|_, _| good());
    let many = (0..1000).map(|number| organization(&format!("{number:03}"))).collect();
    let (_poller, latest) = start(many, &script);
    let other = tokio::spawn({
        let script = Arc::clone(&script);
        async move { script.polls.lock().len() }
    });
    let before = other.await.expect("it ran");
    assert!((1..200).contains(&before), "{before} polls went before who came while they started");
    pass(Duration::from_millis(5)).await;
    let before = script.polls.lock().len();
    assert!((1..200).contains(&before), "{before} polls went before who needs a processor for some milliseconds");
    pass(Duration::from_millis(400)).await;
    assert!(latest.snapshot().organizations.iter().all(|entry| entry.up == Some(true)), "all have started");
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_hangs_is_given_up_and_bothers_nobody() {
    let script = Script::new(|name, _| if name == "a" { std::future::pending().boxed() } else { good() });
    let begin = Instant::now();
    let b = organization("b");
    let (_poller, latest) = start(vec![organization("a"), Arc::clone(&b)], &script);
    pass(Duration::from_secs(190)).await;
    let first = phase(&b);
    let mut wanted = vec![Duration::ZERO, first, first + INTERVAL, first + 2 * INTERVAL];
    wanted.retain(|at| *at < Duration::from_secs(190));
    assert_eq!(in_millis(script.starts("b", begin)), in_millis(wanted));
    let a = entry(&latest, "a").expect("a is there");
    let starts = script.starts("a", begin);
    let ended = starts.iter().filter(|at| **at + Duration::from_secs(48) <= Duration::from_secs(190)).count() as u64;
    assert!(ended >= 2, "{starts:?}");
    assert_eq!((a.up, a.failures[Reason::Timeout as usize]), (Some(false), ended));
    assert_eq!(a.duration, Some(Duration::from_secs(48)));
}

#[tokio::test(start_paused = true)]
async fn an_organization_whose_poll_panics_fails_as_internal_and_goes_on() {
    let script = Script::new(|name, number| match (name, number) {
        ("a", 0) => async { panic!("a fault") }.boxed(),
        _ => good(),
    });
    let (_poller, latest) = start(vec![organization("a"), organization("b")], &script);
    pass(Duration::from_millis(1)).await;
    let a = entry(&latest, "a").expect("a is there");
    assert_eq!((a.up, a.failures[Reason::Internal as usize]), (Some(false), 1));
    assert_eq!(entry(&latest, "b").expect("b is there").up, Some(true));
    pass(2 * INTERVAL).await;
    assert_eq!(entry(&latest, "a").expect("a is there").up, Some(true));
}

#[tokio::test(start_paused = true)]
async fn the_pause_doubles_after_five_failures_and_one_success_resets_it() {
    let script = Script::new(|_, number| if number < 7 { bad() } else { good() });
    let begin = Instant::now();
    let a = organization("a");
    let (_poller, _) = start(vec![Arc::clone(&a)], &script);
    pass(Duration::from_secs(60 * 17)).await;
    let at_phase = [0, 1, 2, 3, 5, 9, 13, 14, 15].map(|minutes| first_phase(&a) + minutes * INTERVAL);
    let wanted = [vec![Duration::ZERO], at_phase.to_vec()].concat();
    assert_eq!(in_millis(script.starts("a", begin))[..10], in_millis(wanted));
}

#[tokio::test(start_paused = true)]
async fn an_organization_whose_first_poll_fails_is_polled_again_within_its_interval() {
    let script = Script::new(|_, number| if number == 0 { bad() } else { good() });
    let begin = Instant::now();
    let names = ["a", "b", "c", "d"];
    let (_poller, latest) = start(names.map(organization).to_vec(), &script);
    pass(INTERVAL + Duration::from_millis(1)).await;
    for name in names {
        let starts = script.starts(name, begin);
        assert_eq!(in_millis(starts)[..2], in_millis([Duration::ZERO, first_phase(&organization(name))]), "{name}");
        assert_eq!(entry(&latest, name).expect("it is there").up, Some(true), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_polls_the_failing_at_once_and_leaves_the_others_alone() {
    let script = Script::new(|name, _| if name == "a" { bad() } else { good() });
    let begin = Instant::now();
    let (a, b) = (organization("a"), organization("b"));
    let soon = first_phase(&a).min(phase(&b)) / 2;
    let (poller, _) = start(vec![a, b], &script);
    pass(soon).await;
    poller.resume();
    pass(Duration::from_millis(1)).await;
    assert_eq!(in_millis(script.starts("a", begin)), in_millis([Duration::ZERO, soon]));
    assert_eq!(script.starts("b", begin), [Duration::ZERO]);
    assert_eq!(script.resumed.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_loop_and_the_heart_stops() {
    let script = Script::new(|_, _| std::future::pending().boxed());
    let (poller, _) = start(vec![organization("a"), organization("b")], &script);
    pass(Duration::from_secs(10)).await;
    assert!(poller.heartbeat().check().is_ok());
    poller.shutdown().await;
    let polls = script.polls.lock().len();
    pass(Duration::from_secs(600)).await;
    assert_eq!(script.polls.lock().len(), polls);
    assert!(poller.heartbeat().check().is_err());
}
