//! When names and expirations are asked for.

use secrecy::SecretString;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// Answers polls at once, and questions as it is told; notes when it was asked.
#[derive(Debug)]
struct Asked {
    names: Mutex<Vec<(String, Instant)>>,
    tokens: Mutex<Vec<(String, Instant)>>,
    is_answering: Mutex<bool>,
    /// What the files of API tokens hold, by credential; and what was read of them last.
    files: Mutex<HashMap<String, &'static str>>,
    last_read: Mutex<HashMap<String, watch::Sender<Option<SecretId>>>>,
}

impl Asked {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            names: Mutex::default(),
            tokens: Mutex::default(),
            is_answering: Mutex::new(true),
            files: Mutex::default(),
            last_read: Mutex::default(),
        })
    }

    fn sender(&self, credential: &str) -> watch::Sender<Option<SecretId>> {
        self.last_read.lock().entry(credential.to_owned()).or_default().clone()
    }

    /// Reads a secret as an exchange does.
    fn read(&self, credential: &str) -> SecretId {
        let text = self.files.lock().get(credential).copied().unwrap_or("first");
        let url = "https://upstream".parse().expect("a URL");
        let secret = SecretId::new(&url, &SecretString::from(text));
        self.sender(credential).send_if_modified(|last| last.replace(secret) != Some(secret));
        secret
    }

    fn write(&self, credential: &str, text: &'static str) {
        self.files.lock().insert(credential.to_owned(), text);
    }

    fn answer<T: Send + 'static>(&self, operation: Operation, answer: T) -> BoxFuture<'static, Result<T, Error>> {
        let is_answering = *self.is_answering.lock();
        async move { if is_answering { Ok(answer) } else { Err(Error::new(operation, Reason::ServerError, "")) } }
            .boxed()
    }
}

impl Source for Asked {
    fn poll(&self, _: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>> {
        deadline.begin(Instant::now());
        async { Ok(polled()) }.boxed()
    }

    fn display_name(
        &self,
        of: Arc<Organization>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<Option<String>, Error>> {
        deadline.begin(Instant::now());
        self.names.lock().push((of.name.clone(), Instant::now()));
        self.answer(Operation::Organization, Some("a name".to_owned()))
    }

    fn api_token_expiration(
        &self,
        credential: Arc<Credential>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<(SecretId, Option<Millis>), Error>> {
        deadline.begin(Instant::now());
        self.tokens.lock().push((credential.name.clone(), Instant::now()));
        let secret = self.read(&credential.name);
        let at = self.tokens.lock().len();
        self.answer(Operation::TokenDetails, (secret, Some(Millis(i64::try_from(at).unwrap_or(0)))))
    }

    fn api_token(&self, credential: &Credential) -> watch::Receiver<Option<SecretId>> {
        self.sender(&credential.name).subscribe()
    }

    fn read_api_token(&self, credential: Arc<Credential>) -> BoxFuture<'static, ()> {
        self.read(&credential.name);
        async {}.boxed()
    }

    nothing_more!();

    fn resume(&self) {}
}

/// An organization with an API token of its own.
fn own_token(name: &str) -> Arc<Organization> {
    Arc::new(Organization { credential: credential(name), ..(*organization(name)).clone() })
}

fn gaps(asked: &Mutex<Vec<(String, Instant)>>, name: &str) -> Vec<Duration> {
    let times: Vec<Instant> = asked.lock().iter().filter(|(of, _)| of == name).map(|(_, at)| *at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn expirations(latest: &Latest) -> Vec<String> {
    latest.snapshot().api_token_expirations.iter().map(|(name, _)| name.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn questions_come_at_the_start_and_every_hour_at_a_phase_of_their_own() {
    let asked = Asked::new();
    let (_poller, latest) = start(vec![own_token("a"), own_token("b")], &asked);
    pass(Duration::from_millis(1)).await;
    assert_eq!((asked.names.lock().len(), asked.tokens.lock().len()), (2, 2));
    assert_eq!(expirations(&latest), ["a", "b"]);
    assert_eq!(entry(&latest, "a").and_then(|entry| entry.display_name.clone()).as_deref(), Some("a name"));
    pass(5 * HOUR).await;
    for questions in [&asked.names, &asked.tokens] {
        let (a, b) = (gaps(questions, "a"), gaps(questions, "b"));
        assert!(a[0] <= HOUR && b[0] <= HOUR && a[0].abs_diff(b[0]) > Duration::from_secs(60), "{a:?} {b:?}");
        for later in [&a[1..], &b[1..]] {
            assert!(
                later.len() >= 3 && later.iter().all(|gap| gap.abs_diff(HOUR) < Duration::from_millis(2)),
                "{later:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_they_come_again_within_five_minutes() {
    let asked = Asked::new();
    *asked.is_answering.lock() = false;
    let (_poller, latest) = start(vec![own_token("a")], &asked);
    pass(Duration::from_mins(61)).await;
    for gaps in [gaps(&asked.names, "a"), gaps(&asked.tokens, "a")] {
        assert!(gaps.len() >= 12, "{gaps:?}");
        assert!(gaps.iter().all(|gap| (150..=300).contains(&gap.as_secs())), "{gaps:?}");
    }
    assert_eq!(expirations(&latest), [""; 0]);
    *asked.is_answering.lock() = true;
    pass(Duration::from_mins(5)).await;
    assert_eq!(expirations(&latest), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_asks_only_for_what_has_changed() {
    let asked = Asked::new();
    let (poller, latest) = start(vec![own_token("a"), own_token("b"), own_token("c")], &asked);
    pass(Duration::from_millis(1)).await;
    let source: Arc<dyn Source> = Arc::clone(&asked) as _;
    let mut other_interval = (*own_token("a")).clone();
    other_interval.interval *= 2;
    let mut other_credential = (*own_token("b")).clone();
    other_credential.credential = credential("d");
    let organizations = vec![Arc::new(other_interval), Arc::new(other_credential), own_token("c")];
    for _ in 0..20 {
        poller.reload(&config(organizations.clone()), Arc::clone(&source));
        pass(Duration::from_millis(1)).await;
    }
    let names =
        |asked: &Mutex<Vec<(String, Instant)>>| asked.lock().iter().map(|(of, _)| of.clone()).collect::<Vec<_>>();
    assert_eq!(names(&asked.names)[3..], ["b"], "it has another credential");
    assert_eq!(names(&asked.tokens)[3..], ["d"]);
    assert_eq!(expirations(&latest), ["a", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_token_drops_the_old_date_until_it_has_been_asked_for() {
    let asked = Asked::new();
    let (poller, latest) = start(vec![own_token("a")], &asked);
    pass(Duration::from_millis(1)).await;
    // The date is the number of the question.
    let date = || latest.snapshot().api_token_expirations.first().map(|(_, date)| date.0);
    let count = || i64::try_from(asked.tokens.lock().len()).expect("few");
    assert_eq!((count(), date()), (1, Some(1)));

    // Found at an exchange: asked for at once, and while that fails there is no date.
    asked.write("a", "second");
    *asked.is_answering.lock() = false;
    asked.read("a");
    pass(Duration::from_millis(1)).await;
    assert_eq!((count(), date()), (2, None));
    pass(Duration::from_secs(149)).await;
    assert_eq!((count(), date()), (2, None), "not in a loop");
    *asked.is_answering.lock() = true;
    pass(Duration::from_secs(151)).await;
    assert!(date() == Some(count()) && count() >= 3);

    // Found by a reload, which reads the file.
    let before = count();
    asked.write("a", "third");
    let source: Arc<dyn Source> = Arc::clone(&asked) as _;
    poller.reload(&config(vec![own_token("a")]), source);
    pass(Duration::from_millis(1)).await;
    assert_eq!((count(), date()), (before + 1, Some(before + 1)));

    // The old one again, and the same one read again and again.
    asked.write("a", "first");
    for _ in 0..9 {
        asked.read("a");
        pass(Duration::from_millis(1)).await;
    }
    assert_eq!((count(), date()), (before + 2, Some(before + 2)));
}
