//! Waits that the service asks for.

use std::time::{Duration, SystemTime};

use csp_api::{Deadline, Operation, Reason};
use tokio::time::Instant;

use crate::fake::{
    API_TOKEN_PATH, Answer, BOTH, Fake, Text, answer, api, client, grant, inline, list, lists, observed, organization,
    response, soon,
};

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms() {
    let date = || {
        let later = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(3)).unwrap();
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&later).unwrap()
    };
    for (status, dated, least) in [(429, false, 990), (429, true, 1900), (503, false, 990), (503, true, 1900)] {
        let fake = lists(move |n| match n {
            0 => {
                let value = if dated { date() } else { "1".to_owned() };
                Answer::Keep(response(status, &format!("retry-after: {value}\r\n"), ""))
            }
            _ => answer(200, "[]"),
        })
        .await;
        let (client, recorder) = observed(&api(&fake.url));
        list(&client, &organization(1, inline("s"))).await.unwrap();
        let at: Vec<_> = fake.requests("/invitations").iter().map(|request| request.at).collect();
        let waited = (at[1] - at[0]).as_millis();
        assert!((least..4000).contains(&waited), "{waited} ms");
        assert!(recorder.count("throttle") >= 1);
    }
}

#[tokio::test]
async fn a_retry_after_past_the_deadline_fails_at_once() {
    let fake = lists(|_| Answer::Keep(response(429, "retry-after: 3600\r\n", ""))).await;
    let start = Instant::now();
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.reason, error.status), (Reason::RateLimited, Some(429)));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(fake.requests("/invitations").len(), 1);
}

#[tokio::test]
async fn a_retry_after_past_the_deadline_is_obeyed_until_then_whatever_is_configured_meanwhile() {
    let fake = Fake::start(|request, n| match request.path.as_str() {
        API_TOKEN_PATH => grant(n, 1800),
        path if path.contains("000000000001/") => Answer::Keep(response(429, "retry-after: 7200\r\n", "")),
        _ => answer(200, "[]"),
    })
    .await;
    let (mut client, refused) = (client(&fake), organization(1, inline("s")));
    assert_eq!(client.list_not_before(&refused), None);
    let error = list(&client, &refused).await.unwrap_err();
    assert!(error.status == Some(429) && error.detail.contains("2h without a request"), "{error}");
    for _ in 0..3 {
        client = client.reconfigured(&api(&fake.url)).await.unwrap();
        client.resume();
        // One that has no time to wait for that.
        let deadline = Deadline::of_poll(Duration::from_secs(2));
        let error = client.invitations(&refused, BOTH, &deadline, Text::default).await.unwrap_err();
        assert_eq!((error.reason, error.status), (Reason::RateLimited, None), "{error}");
    }
    assert_eq!(fake.requests("/invitations").len(), 1);
    let left = client.list_not_before(&refused).unwrap() - Instant::now();
    assert!((1..=soon().left().as_secs()).contains(&left.as_secs()), "{left:?}");
    // Of others, and of the group of an organization, nobody has said anything; the host slows down for all of them.
    let mut group = organization(1, inline("s"));
    group.custom_group_id = Some("group".to_owned());
    for other in [organization(2, inline("s")), group] {
        assert_eq!(client.list_not_before(&other), None);
    }
    assert_eq!(client.details_not_before(&refused), None);
}

#[tokio::test]
async fn all_who_share_a_token_obey_what_its_exchange_was_told() {
    let fake = Fake::start(|_, _| Answer::Keep(response(429, "retry-after: 7200\r\n", ""))).await;
    let client = client(&fake);
    let calls: Vec<_> = (1..=20)
        .map(|id| {
            let client = client.clone();
            tokio::spawn(async move { list(&client, &organization(id, inline("s"))).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap_err().reason, Reason::RateLimited);
    }
    let late = organization(21, inline("s"));
    assert!(client.list_not_before(&late).is_some());
    let deadline = Deadline::of_poll(Duration::from_secs(2));
    let error = client.invitations(&late, BOTH, &deadline, Text::default).await.unwrap_err();
    assert_eq!((error.operation, error.reason), (Operation::Token, Reason::RateLimited));
    assert_eq!(fake.requests("").len(), 1);
}

#[tokio::test]
async fn who_shares_a_token_waits_within_its_own_deadline_for_what_its_exchange_was_told() {
    let fake = Fake::start(|request, n| match (request.path.as_str(), n) {
        (API_TOKEN_PATH, 0) => Answer::Late(Duration::from_millis(500), response(503, "retry-after: 3600\r\n", "")),
        (API_TOKEN_PATH, _) => grant(n, 1800),
        _ => answer(200, "[]"),
    })
    .await;
    let client = client(&fake);
    let list = |id, seconds: f64| {
        let (client, deadline) = (client.clone(), Deadline::of_poll(Duration::from_secs_f64(seconds)));
        tokio::spawn(async move {
            let start = Instant::now();
            let listed = client.invitations(&organization(id, inline("s")), BOTH, &deadline, Text::default).await;
            (listed.map_err(|error| (error.operation, error.reason)), start.elapsed())
        })
    };
    let told = list(1, 2.0);
    while fake.requests(API_TOKEN_PATH).is_empty() {
        tokio::task::yield_now().await;
    }
    // One waits for the exchange when it is told so; the others come later, one of them without the time to wait.
    let joined = list(2, 20.0);
    assert_eq!(told.await.unwrap().0, Err((Operation::Token, Reason::ServerError)));
    let (late, hasty) = (list(3, 20.0), list(4, 0.2));
    let (refused, waited) = hasty.await.unwrap();
    assert_eq!(refused, Err((Operation::Token, Reason::ServerError)), "the service's own reason");
    assert!(waited < Duration::from_millis(200), "{waited:?}");
    for call in [joined, late] {
        assert_eq!(call.await.unwrap().0.as_deref(), Ok("[]"));
    }
    let exchanges = fake.requests(API_TOKEN_PATH);
    assert_eq!(exchanges.len(), 2, "one of them asks for both");
    let gap = exchanges[1].at - exchanges[0].at;
    assert!(gap >= Duration::from_millis(1950), "not before the deadline of who was told so: {gap:?}");
}

#[tokio::test]
async fn an_access_token_that_is_still_good_is_used_while_its_exchange_is_left_alone() {
    let fake = Fake::start(|request, n| match (request.path.as_str(), n) {
        (API_TOKEN_PATH, 0) => grant(0, 10),
        (API_TOKEN_PATH, _) => Answer::Keep(response(429, "retry-after: 7200\r\n", "")),
        _ => answer(200, "[]"),
    })
    .await;
    let (client, organization) = (client(&fake), organization(1, inline("s")));
    // The others hold back for half of what such a poll has left, which ends before the token does.
    let list = async |seconds| {
        let deadline = Deadline::of_poll(Duration::from_secs(seconds));
        client.invitations(&organization, BOTH, &deadline, Text::default).await
    };
    // It is renewed when a fifth of its life is left.
    while fake.requests(API_TOKEN_PATH).len() < 2 {
        list(3).await.unwrap();
    }
    assert_eq!(client.list_not_before(&organization), None, "nobody is left alone who has a token");
    // These have no time to wait for that.
    let error = loop {
        if let Err(error) = list(1).await {
            break error;
        }
    };
    assert_eq!((error.operation, error.reason, error.status), (Operation::Token, Reason::RateLimited, None));
    assert!(client.list_not_before(&organization).is_some());
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 2);
}

#[tokio::test]
async fn one_organizations_pause_holds_the_others_back() {
    let fake = Fake::start(|request, n| match request.path.as_str() {
        API_TOKEN_PATH => grant(n, 1800),
        path if path.contains("000000000001/") && n == 0 => Answer::Keep(response(429, "retry-after: 1\r\n", "")),
        _ => answer(200, "[]"),
    })
    .await;
    let (client, recorder) = observed(&api(&fake.url));
    let first = tokio::spawn({
        let client = client.clone();
        async move { list(&client, &organization(1, inline("s"))).await }
    });
    while recorder.count("failure invitations rate_limited") == 0 {
        tokio::task::yield_now().await;
    }
    list(&client, &organization(2, inline("s"))).await.unwrap();
    first.await.unwrap().unwrap();
    let requests = fake.requests("/invitations");
    let gap = requests[1].at - requests[0].at;
    assert!(gap >= Duration::from_millis(990), "{gap:?}");
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn a_date_counts_from_the_date_of_its_answer() {
    // Both clocks may be wrong: the pause is what lies between the two.
    let dates = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:39 GMT\r\n";
    let fake = lists(|n| if n == 0 { Answer::Keep(response(429, dates, "")) } else { answer(200, "[]") }).await;
    let start = Instant::now();
    list(&client(&fake), &organization(1, inline("s"))).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn no_reload_ends_a_pause_that_the_service_asked_for() {
    for status in [429, 503] {
        let fake = lists(move |n| match n {
            0 => Answer::Keep(response(status, "retry-after: 2\r\n", "")),
            _ => answer(200, "[]"),
        })
        .await;
        let (client, _) = observed(&api(&fake.url));
        let call = tokio::spawn({
            let client = client.clone();
            async move { list(&client, &organization(1, inline("s"))).await }
        });
        let mut settings = api(&fake.url);
        while !call.is_finished() {
            client.resume();
            // Nor does another budget: the pause goes over to it.
            settings.max_concurrent_requests += 1;
            let client = client.reconfigured(&settings).await.unwrap();
            if !fake.requests("/invitations").is_empty() {
                let deadline = Deadline::of_poll(Duration::from_millis(1));
                deadline.begin(Instant::now());
                let denied = client.invitations(&organization(2, inline("s")), BOTH, &deadline, Text::default).await;
                assert!(denied.is_err());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        call.await.unwrap().unwrap();
        let at: Vec<_> = fake.list_requests(1).iter().map(|request| request.at).collect();
        assert_eq!(at.len(), 2, "{status}");
        assert!(at[1] - at[0] >= Duration::from_millis(1990), "{status}: {:?}", at[1] - at[0]);
    }
}
