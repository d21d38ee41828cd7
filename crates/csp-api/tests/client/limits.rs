//! Deadlines, attempts, and the budget that all organizations share.

use std::sync::Arc;
use std::time::Duration;

use csp_api::{Deadline, Operation, Reason};
use tokio::time::Instant;

use crate::fake::{
    Answer, BOTH, Fake, Text, answer, api, client, inline, list, lists, observed, organization, response, soon,
};

#[tokio::test]
async fn a_refusal_whose_body_never_comes_is_that_refusal_all_the_same() {
    let fake = lists(|_| Answer::Keep(b"HTTP/1.1 403 X\r\ncontent-length: 10\r\n\r\n{".to_vec())).await;
    let start = Instant::now();
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.reason, error.status), (Reason::Forbidden, Some(403)));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(fake.requests("/invitations").len(), 1, "it would be the same again");
}

#[tokio::test]
async fn nothing_outlives_the_deadline() {
    let fake = Fake::start(|_, _| Answer::Hang).await;
    let start = Instant::now();
    let deadline = Deadline::of_poll(Duration::from_millis(300));
    let error = client(&fake).invitations(&organization(1, inline("s")), BOTH, &deadline, Text::default).await;
    let error = error.unwrap_err();
    assert_eq!((error.operation, error.reason), (Operation::Token, Reason::Timeout));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    let fake = lists(|_| Answer::Keep(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[".to_vec())).await;
    let client = client(&fake);
    let start = Instant::now();
    let deadline = Deadline::of_poll(Duration::from_millis(500));
    let error = client.invitations(&organization(1, inline("s")), BOTH, &deadline, Text::default).await.unwrap_err();
    assert_eq!((error.operation, error.reason, error.status), (Operation::Invitations, Reason::Timeout, Some(200)));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_call_takes_little_memory_before_its_turn() {
    let fake = Fake::start(|_, _| Answer::Hang).await;
    let (client, organization, deadline) = (client(&fake), organization(1, inline("s")), soon());
    let call = client.invitations(&organization, BOTH, &deadline, Text::default);
    let bytes = size_of_val(&call);
    assert!(bytes < 4096, "{bytes} bytes for each of thousands that may wait at once");
}

#[tokio::test]
async fn a_slow_request_is_given_up_and_tried_again() {
    let fake = lists(|n| if n == 0 { Answer::Hang } else { answer(200, "[]") }).await;
    let mut settings = api(&fake.url);
    settings.timeout = Duration::from_millis(300);
    let (client, recorder) = observed(&settings);
    list(&client, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(recorder.count("failure invitations timeout"), 1);
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_allowed() {
    let fake = lists(|_| Answer::Late(Duration::from_millis(30), response(200, "", "[]"))).await;
    let mut settings = api(&fake.url);
    settings.max_concurrent_requests = 3;
    let (client, _) = observed(&settings);
    let calls: Vec<_> = (0..20)
        .map(|id| {
            let client = client.clone();
            tokio::spawn(async move { list(&client, &organization(id, inline("s"))).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(fake.most(), 3);
}

#[tokio::test]
async fn requests_of_all_operations_are_paced() {
    let fake = lists(|_| answer(200, "[]")).await;
    let mut settings = api(&fake.url);
    settings.requests_per_second = Some(20.0);
    let (client, recorder) = observed(&settings);
    let client = Arc::new(client);
    let start = Instant::now();
    let calls: Vec<_> = (0..9)
        .map(|id| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { list(&client, &organization(id, inline("s"))).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // Nine lists and an exchange: nine gaps of 50 ms.
    assert!(start.elapsed() >= Duration::from_millis(440), "{:?}", start.elapsed());
    assert!(recorder.count("throttle") >= 8);
}

#[tokio::test]
async fn a_call_without_a_turn_before_its_deadline_sends_nothing() {
    let fake = lists(|_| answer(200, "[]")).await;
    let mut settings = api(&fake.url);
    settings.requests_per_second = Some(0.01);
    let (client, recorder) = observed(&settings);
    let deadline = Deadline::of_poll(Duration::from_millis(300));
    let start = Instant::now();
    let error = client.invitations(&organization(1, inline("s")), BOTH, &deadline, Text::default).await.unwrap_err();
    assert_eq!((error.operation, error.reason), (Operation::Invitations, Reason::Timeout));
    assert_eq!(recorder.count("request invitations"), 0);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
