use std::sync::atomic::{AtomicUsize, Ordering};

use csp_api::{Error, Operation, Reason};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use invitations::census::View;
use invitations::lifecycle::Tally;
use tokio::time::Instant;

use super::source::Polled;
use super::*;
use crate::config::{Credential, CredentialKind, Secret};
use crate::snapshot::OrganizationSnapshot;

const INTERVAL: Duration = Duration::from_secs(60);

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

    fn starts(&self, name: &str, since: Instant) -> Vec<u64> {
        let polls = self.polls.lock();
        polls.iter().filter(|(of, _)| of == name).map(|(_, at)| (*at - since).as_secs()).collect()
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Source for Script {
    fn poll(&self, organization: Arc<Organization>, deadline: Instant) -> BoxFuture<'static, Result<Polled, Error>> {
        let mut polls = self.polls.lock();
        let number = polls.iter().filter(|(of, _)| *of == organization.name).count();
        polls.push((organization.name.clone(), Instant::now()));
        let answer = (self.answer)(&organization.name, number);
        async move {
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(result) => result.map(|()| polled()),
                Err(_) => Err(Error::new(Operation::Invitations, Reason::Timeout, "")),
            }
        }
        .boxed()
    }

    fn display_name(&self, of: Arc<Organization>, _: Instant) -> BoxFuture<'static, Result<String, Error>> {
        async move { Ok(format!("The {}", of.name)) }.boxed()
    }

    fn api_token_expiration(
        &self,
        _: Arc<Credential>,
        _: Instant,
    ) -> BoxFuture<'static, Result<Option<Millis>, Error>> {
        async { Ok(Some(Millis(5))) }.boxed()
    }

    fn access_token_expiration(&self, _: &Organization) -> Option<Millis> {
        None
    }

    fn resume(&self) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }
}

fn polled() -> Polled {
    Polled { view: Arc::new(View::empty(Millis::now())), lifecycle: Arc::new(Tally::default()) }
}

fn good() -> BoxFuture<'static, Result<(), Error>> {
    async { Ok(()) }.boxed()
}

fn bad() -> BoxFuture<'static, Result<(), Error>> {
    async { Err(Error::new(Operation::Invitations, Reason::ServerError, "")) }.boxed()
}

fn organization(name: &str) -> Arc<Organization> {
    let token = Secret::File("/nowhere".into());
    Arc::new(Organization {
        id: format!("id-{name}"),
        custom_group_id: None,
        name: name.to_owned(),
        credential: Arc::new(Credential { name: "token".to_owned(), kind: CredentialKind::ApiToken { token } }),
        interval: INTERVAL,
        deadline: Duration::from_secs(48),
        stale_after: 4 * INTERVAL,
    })
}

fn config(organizations: Vec<Arc<Organization>>) -> Config {
    let nothing = crate::config::Filter { allow: Vec::new(), deny: Vec::new() };
    Config {
        api: crate::config::Api {
            url: "http://127.0.0.1:9".parse().expect("a URL"),
            timeout: INTERVAL,
            connect_timeout: INTERVAL,
            max_response_size: 1,
            max_concurrent_requests: 1,
            requests_per_second: None,
            max_attempts: 1,
            token_path: "/token".to_owned(),
            proxy_url: None,
            direct: false,
            tls: crate::config::Tls::default(),
        },
        expand: crate::config::Expand { roles: true, groups: true },
        metrics: crate::config::Metrics {
            max_roles: 1,
            max_groups: 1,
            max_pairs: 1,
            roles: nothing.clone(),
            groups: nothing,
            joint: false,
            privileged_roles: Vec::new(),
            trusted_domains: None,
        },
        credentials: Vec::new(),
        organizations,
    }
}

fn start(names: &[&str], script: &Arc<Script>) -> (Poller, Arc<Board>) {
    let board = Arc::new(Board::default());
    let organizations = names.iter().map(|name| organization(name)).collect();
    let source: Arc<dyn Source> = Arc::clone(script) as _;
    let lifecycle = Arc::new(Lifecycle::in_memory());
    (Poller::start(&config(organizations), source, Arc::clone(&board), lifecycle, None), board)
}

fn entry(board: &Board, name: &str) -> Option<Arc<OrganizationSnapshot>> {
    board.snapshot().organizations.iter().find(|entry| entry.organization.name == name).cloned()
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn organizations_start_spread_and_then_keep_their_own_time() {
    let script = Script::new(|_, _| good());
    let begin = Instant::now();
    let (_poller, board) = start(&["a", "b"], &script);
    pass(Duration::from_secs(170)).await;
    assert_eq!(script.starts("a", begin), [0, 60, 120]);
    assert_eq!(script.starts("b", begin), [5, 65, 125]);
    let a = entry(&board, "a").expect("a is there");
    assert_eq!((a.up, a.polls, a.display_name.as_deref()), (Some(true), 3, Some("The a")));
    assert_eq!(board.snapshot().api_token_expirations, [("token".to_owned(), Millis(5))]);
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_hangs_is_given_up_and_bothers_nobody() {
    let script = Script::new(|name, _| if name == "a" { std::future::pending().boxed() } else { good() });
    let begin = Instant::now();
    let (_poller, board) = start(&["a", "b"], &script);
    pass(Duration::from_secs(130)).await;
    assert_eq!(script.starts("b", begin), [5, 65, 125]);
    let a = entry(&board, "a").expect("a is there");
    assert_eq!((a.up, a.failures[Reason::Timeout as usize]), (Some(false), 2));
}

#[tokio::test(start_paused = true)]
async fn an_organization_whose_poll_panics_fails_as_internal_and_goes_on() {
    let script = Script::new(|name, number| match (name, number) {
        ("a", 0) => async { panic!("a fault") }.boxed(),
        _ => good(),
    });
    let (_poller, board) = start(&["a", "b"], &script);
    pass(Duration::from_secs(30)).await;
    let a = entry(&board, "a").expect("a is there");
    assert_eq!((a.up, a.failures[Reason::Internal as usize]), (Some(false), 1));
    assert_eq!(entry(&board, "b").expect("b is there").up, Some(true));
    pass(INTERVAL).await;
    assert_eq!(entry(&board, "a").expect("a is there").up, Some(true));
}

#[tokio::test(start_paused = true)]
async fn the_pause_doubles_after_five_failures_and_one_success_resets_it() {
    let script = Script::new(|_, number| if number < 7 { bad() } else { good() });
    let begin = Instant::now();
    let (_poller, _) = start(&["a"], &script);
    pass(Duration::from_secs(60 * 17)).await;
    let minutes: Vec<u64> = script.starts("a", begin).iter().map(|second| second / 60).collect();
    assert_eq!(minutes, [0, 1, 2, 3, 4, 6, 10, 14, 15, 16]);
}

#[tokio::test(start_paused = true)]
async fn a_resume_polls_the_failing_at_once_and_leaves_the_others_alone() {
    let script = Script::new(|name, _| if name == "a" { bad() } else { good() });
    let begin = Instant::now();
    let (poller, _) = start(&["a", "b"], &script);
    pass(Duration::from_secs(20)).await;
    poller.resume();
    pass(Duration::from_secs(1)).await;
    assert_eq!(script.starts("a", begin), [0, 20]);
    assert_eq!(script.starts("b", begin), [5]);
    assert_eq!(script.resumed.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_stays_removes_what_is_gone_and_starts_what_is_new() {
    let script = Script::new(|_, _| good());
    let (poller, board) = start(&["a", "b"], &script);
    pass(Duration::from_secs(20)).await;
    let mut changed = (*organization("a")).clone();
    changed.interval = 2 * INTERVAL;
    let source: Arc<dyn Source> = Arc::clone(&script) as _;
    poller.reload(&config(vec![Arc::new(changed), organization("c")]), source);
    assert!(entry(&board, "b").is_none());
    let a = entry(&board, "a").expect("a stays");
    assert_eq!((a.up, a.polls, a.organization.interval), (Some(true), 1, 2 * INTERVAL));
    assert_eq!(entry(&board, "c").expect("c is there").up, None);
    pass(Duration::from_secs(20)).await;
    assert_eq!(entry(&board, "a").expect("a stays").polls, 2);
    assert_eq!(entry(&board, "c").expect("c is there").up, Some(true));
    let polls_of_b = script.starts("b", Instant::now() - Duration::from_secs(40)).len();
    pass(4 * INTERVAL).await;
    assert_eq!(script.polls.lock().iter().filter(|(name, _)| name == "b").count(), polls_of_b);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_organization_is_not_disturbed_by_a_reload() {
    let script = Script::new(|_, _| good());
    let begin = Instant::now();
    let (poller, _) = start(&["a"], &script);
    pass(Duration::from_secs(20)).await;
    let source: Arc<dyn Source> = Arc::clone(&script) as _;
    poller.reload(&config(vec![organization("a")]), source);
    pass(Duration::from_secs(50)).await;
    assert_eq!(script.starts("a", begin), [0, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_loop_and_the_heart_stops() {
    let script = Script::new(|_, _| std::future::pending().boxed());
    let (poller, _) = start(&["a", "b"], &script);
    pass(Duration::from_secs(10)).await;
    assert!(poller.heartbeat().check().is_ok());
    poller.shutdown().await;
    let polls = script.polls.lock().len();
    pass(Duration::from_secs(600)).await;
    assert_eq!(script.polls.lock().len(), polls);
    assert!(poller.heartbeat().check().is_err());
}
