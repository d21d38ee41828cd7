//! Pauses that the service asks for, and reloads that must not become a hammer.

use csp_api::{Budget, Host, NoObserver};

use super::*;
use crate::poller::source::Subject;

/// Fails each poll, and answers the first one that it wants to be left alone.
#[derive(Debug)]
struct Refusing {
    script: Arc<Script>,
    asks: Duration,
    not_before: Mutex<Option<Instant>>,
}

impl Refusing {
    /// Wants to be left alone for so long.
    fn new(asks: Duration) -> Arc<Self> {
        Arc::new(Self { script: Script::new(|_, _| bad()), asks, not_before: Mutex::default() })
    }

    fn starts(&self, since: Instant) -> Vec<u128> {
        in_millis(self.script.starts("a", since))
    }
}

impl Source for Refusing {
    fn poll(&self, organization: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>> {
        self.not_before.lock().get_or_insert(Instant::now() + self.asks);
        self.script.poll(organization, deadline)
    }

    fn display_name(&self, of: Arc<Organization>, at: Deadline) -> BoxFuture<'static, Result<Option<String>, Error>> {
        self.script.display_name(of, at)
    }

    no_api_tokens!();
    nothing_more!();

    fn not_before(&self, subject: Subject<'_>) -> Option<Instant> {
        let is_poll = matches!(subject, Subject::Poll(_));
        self.not_before.lock().filter(|at| is_poll && *at > Instant::now())
    }

    fn resume(&self) {
        self.script.resume();
    }
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_the_service_wants_to_be_left_alone_is_polled_again_after_that_and_shows_when() {
    const ASKED: Duration = Duration::from_hours(2);
    let begin = Instant::now();
    let (a, refusing) = (organization("a"), Refusing::new(ASKED));
    let (poller, latest) = start(vec![Arc::clone(&a)], &refusing);
    let source: Arc<dyn Source> = Arc::clone(&refusing) as _;
    pass(Duration::from_millis(1)).await;
    assert_eq!(refusing.starts(begin).len(), 1);

    // No reload hurries it, whatever it changes.
    let mut changed = (*a).clone();
    changed.interval = 2 * INTERVAL;
    for settings in [config(vec![Arc::clone(&a)]), config(vec![Arc::new(changed)])] {
        for _ in 0..50 {
            poller.reload(&settings, Arc::clone(&source));
            pass(Duration::from_secs(1)).await;
        }
    }
    let shown = latest.status(Reading::now()).remove(0).next_poll.expect("none is under way");
    let end = begin + ASKED;
    let wanted = (end - Instant::now()).as_secs_f64() * 1000.0;
    let left = (shown.0 - Millis::from(std::time::SystemTime::now()).0) as f64;
    assert!((left - wanted).abs() < 2_000.0, "{left} instead of {wanted}");
    tokio::time::sleep_until(end - Duration::from_millis(1)).await;
    assert_eq!(refusing.starts(begin).len(), 1);
    pass(Duration::from_millis(3)).await;
    assert_eq!(refusing.starts(begin).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_what_the_service_asked_for_an_organization_falls_into_its_phase() {
    let begin = Instant::now();
    let (a, asked) = (organization("a"), Duration::from_secs(1234));
    let refusing = Refusing::new(asked);
    let (_poller, _) = start(vec![Arc::clone(&a)], &refusing);
    pass(Duration::from_mins(25)).await;
    let phase = Phase::of(&a.key()).next(INTERVAL, START + asked).abs_diff(START);
    assert_eq!(refusing.starts(begin)[..2], in_millis([Duration::ZERO, phase]));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_leads_to_another_host_ends_what_the_first_one_asked_for() {
    let begin = Instant::now();
    let refusing = Refusing::new(Duration::from_hours(2));
    let script = Arc::clone(&refusing.script);
    let (poller, _) = start(vec![organization("a")], &refusing);
    pass(Duration::from_secs(100)).await;
    assert_eq!(refusing.starts(begin).len(), 1);
    poller.reload(&config(vec![organization("a")]), script);
    pass(Duration::from_millis(1)).await;
    assert_eq!(refusing.starts(begin), [0, 100_000]);
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_reloads_polls_a_failing_organization_less_and_less_and_a_single_one_at_once() {
    let begin = Instant::now();
    let refusing = Refusing::new(Duration::ZERO);
    let a = organization("a");
    let (poller, _) = start(vec![Arc::clone(&a)], &refusing);
    let until_phase = first_phase(&a);
    let mut asked = 0;
    while begin.elapsed() + Duration::from_millis(20) < until_phase.min(Duration::from_secs(50)) {
        poller.resume();
        asked += 1;
        pass(Duration::from_millis(10)).await;
    }
    assert!(asked > 100, "{asked}");
    let starts = refusing.starts(begin);
    let gaps: Vec<u128> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // At once, and then after pauses that double; timers count in milliseconds.
    let wanted = [0, 1000, 2000, 4000, 8000, 16_000];
    assert!(gaps.iter().zip(wanted).all(|(gap, wanted)| (wanted..wanted + 12).contains(gap)), "{gaps:?}");

    // Over hours it is a few times what the interval says.
    let from = refusing.starts(begin).len();
    for _ in 0..36_000 {
        poller.resume();
        pass(Duration::from_millis(100)).await;
    }
    let polls = refusing.starts(begin).len() - from;
    assert!(polls <= 60 * 8, "{polls} polls in an hour");

    // A poll that was due: the next reload is obeyed at once.
    pass(10 * INTERVAL).await;
    let before = refusing.starts(begin).len();
    pass(Duration::from_secs(1)).await;
    poller.resume();
    pass(Duration::from_millis(1)).await;
    assert_eq!(refusing.starts(begin).len(), before + 1);
}

/// Polls that wait for their turn in one queue, and note which settings they went by.
#[derive(Debug)]
struct Queued {
    settings: &'static str,
    host: Arc<Host>,
    polled: Arc<Mutex<Vec<(String, &'static str)>>>,
}

impl Source for Queued {
    fn poll(&self, organization: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>> {
        let (settings, host, polled) = (self.settings, Arc::clone(&self.host), Arc::clone(&self.polled));
        async move {
            let (_turn, _) = host.turn(&deadline, &NoObserver).await.expect("its time does not count");
            polled.lock().push((organization.name.clone(), settings));
            Ok(super::polled())
        }
        .boxed()
    }

    fn display_name(&self, _: Arc<Organization>, _: Deadline) -> BoxFuture<'static, Result<Option<String>, Error>> {
        async { Ok(None) }.boxed()
    }

    no_api_tokens!();
    nothing_more!();

    fn resume(&self) {}
}

#[tokio::test(start_paused = true)]
async fn polls_that_wait_for_their_turn_go_by_the_new_settings_and_keep_their_place() {
    let host =
        Budget::new(Some(1.0), 8, std::collections::HashSet::new()).host(&"https://upstream".parse().expect("a URL"));
    let log = Arc::<Mutex<Vec<_>>>::default();
    let source = |settings| Arc::new(Queued { settings, host: Arc::clone(&host), polled: Arc::clone(&log) });
    let organizations: Vec<_> = (10..90).map(|number| organization(&number.to_string())).collect();
    let (poller, latest) = start(organizations.clone(), &source("old"));
    pass(Duration::from_millis(19_500)).await;
    for _ in 0..60 {
        poller.reload(&config(organizations.clone()), source("new"));
        pass(Duration::from_secs(1)).await;
    }
    let (names, settings): (Vec<_>, Vec<_>) = log.lock().clone().into_iter().unzip();
    assert_eq!(names[..79], (10..89).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(settings.iter().filter(|settings| **settings == "old").count(), 20);
    assert!(settings[20..].iter().all(|settings| *settings == "new"), "{settings:?}");
    assert!(latest.snapshot().organizations.iter().all(|entry| entry.failures.iter().sum::<u64>() == 0));
}
