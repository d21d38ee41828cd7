//! Many API tokens and a small budget: questions never go before polls, and none is lost.

use secrecy::SecretString;

use super::crowds::{Busy, LATENCY, crowd, failures, median_duration};
use super::*;

/// An upstream where every organization has an API token of its own.
#[derive(Debug)]
struct Tokens {
    busy: Arc<Busy>,
    last_read: Mutex<HashMap<String, watch::Sender<Option<SecretId>>>>,
    /// When questions were sent.
    questions: Arc<Mutex<Vec<Instant>>>,
}

impl Tokens {
    fn sender(&self, credential: &str) -> watch::Sender<Option<SecretId>> {
        self.last_read.lock().entry(credential.to_owned()).or_default().clone()
    }

    fn question<T: Send + 'static>(&self, answer: T, deadline: Deadline) -> BoxFuture<'static, Result<T, Error>> {
        let (busy, questions) = (Arc::clone(&self.busy), Arc::clone(&self.questions));
        async move {
            busy.request(&deadline).await?;
            questions.lock().push(deadline.begun().expect("it has begun"));
            Ok(answer)
        }
        .boxed()
    }
}

impl Source for Tokens {
    fn poll(&self, organization: Arc<Organization>, deadline: Deadline) -> BoxFuture<'static, Result<Polled, Error>> {
        self.busy.poll(organization, deadline)
    }

    fn display_name(&self, _: Arc<Organization>, at: Deadline) -> BoxFuture<'static, Result<Option<String>, Error>> {
        self.question(Some("a name".to_owned()), at)
    }

    fn api_token_expiration(
        &self,
        credential: Arc<Credential>,
        deadline: Deadline,
    ) -> BoxFuture<'static, Result<(SecretId, Option<Millis>), Error>> {
        let secret = SecretId::new(&"https://upstream".parse().expect("a URL"), &SecretString::from(&*credential.name));
        self.sender(&credential.name).send_if_modified(|last| last.replace(secret) != Some(secret));
        self.question((secret, Some(Millis(1))), deadline)
    }

    fn api_token(&self, credential: &Credential) -> watch::Receiver<Option<SecretId>> {
        self.sender(&credential.name).subscribe()
    }

    fn read_api_token(&self, _: Arc<Credential>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }

    nothing_more!();

    fn resume(&self) {}
}

#[tokio::test(start_paused = true)]
async fn two_hundred_api_tokens_at_two_requests_a_second_are_polled_first_and_asked_about_after_that() {
    let busy = Busy::new(2.0);
    let own_token =
        |one: Arc<Organization>| Arc::new(Organization { credential: credential(&one.name), ..(*one).clone() });
    let organizations: Vec<_> = crowd(200, Duration::from_mins(5)).into_iter().map(own_token).collect();
    let source = Tokens { busy: Arc::clone(&busy), last_read: Mutex::default(), questions: Arc::default() };
    let (source, begin) = (Arc::new(source), Instant::now());
    let (_poller, latest) = start(organizations, &source);
    // An exchange and a list each: 400 requests in 200 seconds, and nothing else goes before them.
    pass(Duration::from_secs(198)).await;
    assert_eq!(source.questions.lock().len(), 0, "polls go first");
    assert!(latest.snapshot().organizations.iter().any(|entry| entry.up.is_none()), "the budget is not exceeded");
    pass(Duration::from_secs(3)).await;
    assert!(latest.snapshot().organizations.iter().all(|entry| entry.up == Some(true)));
    assert!(median_duration(&latest) <= 2 * LATENCY + Duration::from_millis(501), "{:?}", median_duration(&latest));

    // The questions come one by one, a name and an expiration of each: 400 in the 20 minutes that follow.
    pass(Duration::from_mins(20)).await;
    let snapshot = latest.snapshot();
    assert_eq!(snapshot.api_token_expirations.len(), 200, "none is lost");
    assert!(snapshot.organizations.iter().all(|entry| entry.display_name.is_some()));
    let first = source.questions.lock()[..400].to_vec();
    assert!(first.iter().all(|at| (198..1300).contains(&(*at - begin).as_secs())));

    // Nor later: over two hours all polls keep their time, and each question comes every hour.
    pass(Duration::from_hours(2)).await;
    assert_eq!(failures(&latest), 0);
    for times in busy.begun.lock().values() {
        let gaps: Vec<_> = times[1..].windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        assert!(gaps.iter().all(|gap| (gap - 300.0).abs() < 10.0), "{gaps:?}");
    }
    let questions = source.questions.lock().len();
    assert!((1200..=1400).contains(&questions), "{questions}");
}
