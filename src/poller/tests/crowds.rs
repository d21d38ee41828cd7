//! Many organizations and one budget: who is polled when, and how long it takes.

use super::*;
use csp_api::{Budget, Denied, Host, NoObserver};

/// How long the upstream takes to answer one request.
pub(super) const LATENCY: Duration = Duration::from_millis(150);
/// How long an access token lives.
const TOKEN_LIFE: Duration = Duration::from_mins(30);

/// An upstream behind a budget. Every organization has an access token of its own, which is a request before the list.
#[derive(Debug)]
pub(super) struct Busy {
    host: Arc<Host>,
    /// When each request began.
    requests: Mutex<Vec<Instant>>,
    /// When each poll of each organization began.
    pub(super) begun: Mutex<HashMap<String, Vec<Instant>>>,
    tokens: Mutex<HashMap<String, Instant>>,
}

impl Busy {
    pub(super) fn new(requests_per_second: f64) -> Arc<Self> {
        let host = Budget::new(Some(requests_per_second), 8, std::collections::HashSet::new())
            .host(&"https://upstream".parse().expect("a URL"));
        Arc::new(Self { host, requests: Mutex::default(), begun: Mutex::default(), tokens: Mutex::default() })
    }

    pub(super) async fn request(&self, deadline: &Deadline) -> Result<(), Error> {
        let late = |_: Denied| Error::new(Operation::Invitations, Reason::Timeout, "");
        let (_turn, at) = self.host.turn(deadline, &NoObserver).await.map_err(late)?;
        self.requests.lock().push(Instant::now());
        let answer = tokio::time::timeout_at(at, tokio::time::sleep(LATENCY)).await;
        answer.map_err(|_| late(Denied::Deadline))
    }

    /// Polls an organization, with a fresh access token where it has to.
    pub(super) fn poll(
        self: &Arc<Self>,
        organization: Arc<Organization>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<Polled, Error>> {
        let busy = Arc::clone(self);
        async move {
            if !busy.has_token(&organization.name) {
                busy.request(&deadline).await?;
                busy.tokens.lock().insert(organization.name.clone(), Instant::now() + TOKEN_LIFE);
            }
            busy.request(&deadline).await?;
            let begun = deadline.begun().expect("it has begun");
            busy.begun.lock().entry(organization.name.clone()).or_default().push(begun);
            Ok(polled())
        }
        .boxed()
    }

    fn has_token(&self, name: &str) -> bool {
        self.tokens.lock().get(name).is_some_and(|until| Instant::now() < *until)
    }

    /// Requests in each of the spans that follow each other from `from` on.
    fn counts(&self, from: Instant, span: Duration, spans: usize) -> Vec<usize> {
        let mut counts = vec![0; spans];
        for at in self.requests.lock().iter().filter(|at| **at >= from) {
            let place = usize::try_from((*at - from).as_nanos() / span.as_nanos()).unwrap_or(usize::MAX);
            if let Some(count) = counts.get_mut(place) {
                *count += 1;
            }
        }
        counts
    }
}

/// So that a task can hold it.
#[derive(Debug, Clone)]
struct Upstream(Arc<Busy>);

impl Source for Upstream {
    fn poll(&self, organization: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>> {
        self.0.poll(organization, deadline)
    }

    fn display_name(
        &self,
        _: Arc<Organization>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<Option<String>, Error>> {
        let busy = Arc::clone(&self.0);
        async move { busy.request(&deadline).await.map(|()| Some("a name".to_owned())) }.boxed()
    }

    no_api_tokens!();
    nothing_more!();

    fn resume(&self) {}
}

pub(super) fn crowd(count: usize, interval: Duration) -> Vec<Arc<Organization>> {
    let organization = |number: usize| {
        let hash = blake3::hash(&number.to_le_bytes()).to_hex();
        Arc::new(Organization {
            id: format!("{}-{}-4000-8000-{}", &hash[..8], &hash[8..12], &hash[12..24]),
            name: format!("org-{number:04}"),
            interval,
            deadline: (interval * 4 / 5).min(Duration::from_mins(4)),
            stale_after: interval * 4,
            ..(*super::organization("a")).clone()
        })
    };
    (0..count).map(organization).collect()
}

fn begin(count: usize, interval: Duration, requests_per_second: f64) -> (Arc<Busy>, Poller, Arc<Latest>) {
    let busy = Busy::new(requests_per_second);
    let (poller, latest) = start(crowd(count, interval), &Arc::new(Upstream(Arc::clone(&busy))));
    (busy, poller, latest)
}

pub(super) fn failures(latest: &Latest) -> u64 {
    latest.snapshot().organizations.iter().map(|entry| entry.failures.iter().sum::<u64>()).sum()
}

pub(super) fn median_duration(latest: &Latest) -> Duration {
    let mut durations: Vec<_> = latest.snapshot().organizations.iter().filter_map(|entry| entry.duration).collect();
    durations.sort();
    durations[durations.len() / 2]
}

#[tokio::test(start_paused = true)]
async fn a_thousand_organizations_at_the_defaults_are_polled_evenly_and_none_fails() {
    let interval = Duration::from_mins(5);
    let (busy, _poller, latest) = begin(1000, interval, 10.0);
    // Each needs an access token and its list: 200 s at ten requests a second.
    pass(Duration::from_secs(199)).await;
    assert!(latest.snapshot().organizations.iter().any(|entry| entry.up.is_none()), "the budget is not exceeded");
    pass(Duration::from_secs(2)).await;
    assert!(latest.snapshot().organizations.iter().all(|entry| entry.up == Some(true)));
    assert!(median_duration(&latest) <= 2 * LATENCY + Duration::from_millis(101), "{:?}", median_duration(&latest));

    // After the first round: polls at their phases, and names between them.
    let from = Instant::now();
    pass(5 * interval).await;
    let minutes = busy.counts(from, Duration::from_mins(1), 25);
    let mean = minutes.iter().sum::<usize>() as f64 / 25.0;
    assert!((mean - 200.0).abs() < 40.0, "{minutes:?}");
    assert!(minutes.iter().all(|count| (*count as f64 / mean - 1.0).abs() < 0.2), "{minutes:?}");
    assert_eq!(median_duration(&latest), LATENCY, "as that of one organization alone");
    assert_eq!(failures(&latest), 0);

    // Every organization keeps its time, to the second.
    for times in busy.begun.lock().values() {
        let gaps: Vec<_> = times[1..].windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        assert!(gaps.iter().all(|gap| (gap - 300.0).abs() < 10.0), "{gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_round_that_takes_as_long_as_an_interval_fails_nobody() {
    for count in [300, 500] {
        let (busy, _poller, latest) = begin(count, Duration::from_mins(1), 10.0);
        pass(Duration::from_mins(20)).await;
        assert_eq!(failures(&latest), 0);
        assert!(latest.snapshot().organizations.iter().all(|entry| entry.polls >= 17), "{count}");
        assert_eq!(median_duration(&latest), LATENCY);
        let widest = busy
            .begun
            .lock()
            .values()
            .flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>())
            .max();
        assert!(widest < Some(Duration::from_secs(130)), "{widest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_too_small_serves_all_in_turn() {
    // 1,000 lists a minute, where 600 requests a minute are allowed.
    let (busy, _poller, latest) = begin(1000, Duration::from_mins(1), 10.0);
    pass(Duration::from_mins(30)).await;
    assert_eq!(failures(&latest), 0);
    let polls: Vec<_> = latest.snapshot().organizations.iter().map(|entry| entry.polls).collect();
    let (least, most) = (polls.iter().min().copied(), polls.iter().max().copied());
    assert!(least >= Some(14) && most <= least.map(|least| least + 2), "{least:?} to {most:?}");
    for times in busy.begun.lock().values() {
        let late = times[2..].windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(late < Some(Duration::from_secs(170)), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn organizations_that_a_reload_adds_wait_behind_those_that_wait() {
    let busy = Busy::new(10.0);
    let all = crowd(600, Duration::from_mins(5));
    let source = Arc::new(Upstream(Arc::clone(&busy)));
    let (poller, latest) = start(all[..300].to_vec(), &source);
    pass(Duration::from_secs(30)).await;
    let source: Arc<dyn Source> = source;
    poller.reload(&config(all), source);
    pass(Duration::from_secs(31)).await;
    let first = |name: &str| entry(&latest, name).and_then(|entry| entry.up);
    assert!((0..300).all(|number| first(&format!("org-{number:04}")) == Some(true)));
    pass(Duration::from_secs(75)).await;
    assert!(latest.snapshot().organizations.iter().all(|entry| entry.up == Some(true)));
    pass(Duration::from_mins(20)).await;
    assert_eq!(failures(&latest), 0);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_with_a_short_interval_is_spread_after_its_first_round() {
    let busy = Busy::new(10.0);
    let interval = Duration::from_secs(5);
    let mut organizations = crowd(30, interval);
    for (number, organization) in organizations.iter_mut().enumerate() {
        let id = format!("00000000-0000-4000-8000-{:012}", number + 1);
        *organization = Arc::new(Organization { id, ..(**organization).clone() });
    }
    let begin = Instant::now();
    let (_poller, latest) = start(organizations, &Arc::new(Upstream(Arc::clone(&busy))));
    pass(Duration::from_secs(40)).await;
    assert_eq!(failures(&latest), 0);
    let mut counts = [0; 5];
    for times in busy.begun.lock().values() {
        counts[usize::try_from((times[3] - begin).as_secs() % 5).expect("small")] += 1;
    }
    assert!(counts.iter().all(|count| (4..=8).contains(count)), "{counts:?}");
}
