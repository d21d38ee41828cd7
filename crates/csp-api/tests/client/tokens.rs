//! Access tokens and the secrets behind them.

use std::sync::Arc;
use std::time::Duration;

use csp_api::Secret;
use csp_api::{Operation, Reason};
use tokio::time::Instant;

use crate::fake::{API_TOKEN_PATH, Answer, Fake, Request, Text, answer, api, client, grant, inline, list, observed};
use crate::fake::{BOTH, organization, response, soon};

fn is_exchange(request: &Request) -> bool {
    request.path == API_TOKEN_PATH
}

#[tokio::test]
async fn fifty_callers_share_one_exchange() {
    let fake = Fake::start(|request, _| {
        if is_exchange(request) {
            Answer::Late(Duration::from_millis(50), response(200, "", r#"{"access_token":"a","expires_in":1800}"#))
        } else {
            answer(200, "[]")
        }
    })
    .await;
    let client = client(&fake);
    let calls = (0..50).map(|id| {
        let client = client.clone();
        tokio::spawn(async move { list(&client, &organization(id, inline("s"))).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(fake.requests("/invitations").len(), 50);
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 1);
}

#[tokio::test]
async fn waiting_callers_share_a_refusal() {
    let fake = Fake::start(|_, _| Answer::Late(Duration::from_millis(100), response(400, "", ""))).await;
    let client = client(&fake);
    let calls: Vec<_> = (0..10)
        .map(|id| {
            let client = client.clone();
            tokio::spawn(async move { list(&client, &organization(id, inline("s"))).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.operation, error.reason), (Operation::Token, Reason::Credentials));
    }
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 1);
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_the_others_unharmed() {
    let fake = Fake::start(|request, n| match (is_exchange(request), n) {
        (true, 0) => Answer::Hang,
        (true, n) => grant(n, 1800),
        _ => answer(200, "[]"),
    })
    .await;
    let client = client(&fake);
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { list(&client, &organization(1, inline("s"))).await }
    });
    while fake.requests(API_TOKEN_PATH).is_empty() {
        tokio::task::yield_now().await;
    }
    let organization = organization(2, inline("s"));
    let mut waiting = std::pin::pin!(list(&client, &organization));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    hanging.abort();
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_token_is_renewed_before_it_runs_out_and_not_sooner() {
    let fake = Fake::start(|request, n| if is_exchange(request) { grant(n, 2) } else { answer(200, "[]") }).await;
    let (client, organization) = (client(&fake), organization(1, inline("s")));
    let start = Instant::now();
    while fake.requests(API_TOKEN_PATH).len() < 2 {
        list(&client, &organization).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    let exchanges: Vec<_> = fake.requests(API_TOKEN_PATH).iter().map(|request| request.at).collect();
    for pair in exchanges.windows(2) {
        let life = pair[1] - pair[0];
        assert!((1500..2000).contains(&life.as_millis()), "{life:?}");
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let fake = Fake::start(|request, n| {
        let fresh = request.headers.get("authorization").is_some_and(|value| value == "Bearer access-1");
        match (is_exchange(request), fresh) {
            (true, _) => grant(n, 1800),
            (false, true) => answer(200, "[]"),
            (false, false) => answer(401, ""),
        }
    })
    .await;
    let mut settings = api(&fake.url);
    settings.max_attempts = 1;
    let (client, recorder) = observed(&settings);
    list(&client, &organization(1, inline("s"))).await.unwrap();
    list(&client, &organization(2, inline("s"))).await.unwrap();
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 2);
    assert_eq!(fake.requests("/invitations").len(), 3);
    assert_eq!(recorder.count("failure invitations unauthorized"), 1);
    assert_eq!(recorder.count("retry invitations"), 1);
}

#[tokio::test]
async fn a_refused_fresh_token_is_unauthorized() {
    let fake = Fake::start(|request, n| if is_exchange(request) { grant(n, 1800) } else { answer(401, "") }).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.operation, error.reason), (Operation::Invitations, Reason::Unauthorized));
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 2);
    assert_eq!(fake.requests("/invitations").len(), 2);
}

#[tokio::test]
async fn nothing_of_a_token_endpoints_answer_is_in_an_error() {
    for status in [400, 403, 404, 409, 500, 302, 200] {
        let body = r#"{"message":"no such token: ...canary","cspErrorCode":"x y canary","moduleCode":"canary ü"}"#;
        let fake = Fake::start(move |_, _| answer(status, body)).await;
        let (client, recorder) = observed(&api(&fake.url));
        let error = list(&client, &organization(1, inline("secret-canary"))).await.unwrap_err();
        assert_eq!(error.operation, Operation::Token);
        assert_eq!(error.reason == Reason::Credentials, (400..500).contains(&status), "{status}");
        let shown = format!("{error} {error:?} {:?} {client:?}", recorder.all());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_decode() {
    let fake = Fake::start(|_, _| answer(200, r#"{"access_token":"canary\nx: y"}"#)).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.operation, error.reason), (Operation::Token, Reason::Decode));
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn a_secret_file_is_read_at_each_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let fake = Fake::start(|request, n| if is_exchange(request) { grant(n, 1800) } else { answer(200, "[]") }).await;
    let client = client(&fake);
    let organization = organization(1, Secret::File(path.clone()));

    for content in [None, Some("\n")] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = list(&client, &organization).await.unwrap_err();
        assert_eq!((error.operation, error.reason), (Operation::Token, Reason::Credentials));
        assert!(error.detail.contains(path.to_str().unwrap()), "{error}");
        assert!(fake.requests("").is_empty(), "nothing is sent without a secret");
    }
    for secret in ["first", "second"] {
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        client.exchange(&organization.credential, &soon()).await.unwrap();
    }
    let bodies: Vec<_> = fake.requests(API_TOKEN_PATH).into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, ["api_token=first", "api_token=second"]);
}

#[tokio::test]
async fn a_secret_that_is_replaced_while_its_exchange_waits_or_is_under_way_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old").unwrap();
    let replaced = path.clone();
    let fake = Fake::start(move |request, n| match (is_exchange(request), request.body.as_str()) {
        (true, "api_token=old") => {
            std::fs::write(&replaced, "new").unwrap();
            answer(400, "")
        }
        (true, "api_token=new") => grant(n, 1800),
        (true, _) => answer(400, ""),
        _ => answer(200, "[]"),
    })
    .await;
    // It is not the same attempt again, so one attempt is enough for it.
    let mut settings = api(&fake.url);
    settings.max_attempts = 1;
    let (client, recorder) = observed(&settings);
    list(&client, &organization(1, Secret::File(path.clone()))).await.unwrap();
    assert_eq!((fake.requests(API_TOKEN_PATH).len(), recorder.count("retry token")), (2, 1));

    // One that is refused is sent once; and what is left of one that is gone is why it was refused.
    std::fs::write(&path, "wrong").unwrap();
    let error = client.exchange(&organization(1, Secret::File(path.clone())).credential, &soon()).await.unwrap_err();
    assert_eq!((error.reason, error.status, fake.requests(API_TOKEN_PATH).len()), (Reason::Credentials, Some(400), 3));
}

#[tokio::test]
async fn a_secret_that_is_replaced_again_and_again_is_tried_once_more_and_no_oftener() {
    for max_attempts in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "0").unwrap();
        let replaced = path.clone();
        let fake = Fake::start(move |_, n| {
            std::fs::write(&replaced, (n + 1).to_string()).unwrap();
            answer(400, "")
        })
        .await;
        let mut settings = api(&fake.url);
        settings.max_attempts = max_attempts;
        let error = list(&observed(&settings).0, &organization(1, Secret::File(path))).await.unwrap_err();
        assert_eq!((error.reason, error.status), (Reason::Credentials, Some(400)));
        assert_eq!(fake.requests(API_TOKEN_PATH).len(), 2);
    }
}

#[tokio::test]
async fn a_reconfigured_client_keeps_the_tokens_of_unchanged_credentials() {
    let fake = Fake::start(|request, n| if is_exchange(request) { grant(n, 1800) } else { answer(200, "[]") }).await;
    let first = client(&fake);
    list(&first, &organization(1, inline("s"))).await.unwrap();
    let mut changed = api(&fake.url);
    changed.requests_per_second = Some(100.0);
    let second = first.reconfigured(&changed).await.unwrap();
    list(&second, &organization(1, inline("s"))).await.unwrap();
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 1);
    list(&second, &organization(1, inline("changed"))).await.unwrap();
    assert_eq!(fake.requests(API_TOKEN_PATH).len(), 2);
}

#[tokio::test]
async fn a_failed_renewal_falls_back_on_the_token_that_is_still_valid() {
    let fake = Fake::start(|request, n| match (is_exchange(request), n) {
        (true, 0) => grant(0, 3),
        (true, _) => answer(400, ""),
        _ => answer(200, "[]"),
    })
    .await;
    let (client, organization) = (Arc::new(client(&fake)), organization(1, inline("s")));
    while fake.requests(API_TOKEN_PATH).len() < 2 {
        client.invitations(&organization, BOTH, &soon(), Text::default).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_is_over_on_arrival_is_tried_and_does_not_lead_to_a_loop_of_exchanges() {
    for accepted in [true, false] {
        let fake = Fake::start(move |request, n| {
            if is_exchange(request) {
                let body = format!(r#"{{"access_token":"access-{n}","expires_in":1}}"#);
                Answer::Late(Duration::from_millis(1200), response(200, "", &body))
            } else {
                answer(if accepted { 200 } else { 401 }, "[]")
            }
        })
        .await;
        let outcome = list(&client(&fake), &organization(1, inline("s"))).await;
        let exchanges = fake.requests(API_TOKEN_PATH).len();
        match outcome {
            Ok(_) => assert!(accepted && exchanges == 1, "{exchanges} exchanges"),
            Err(error) => {
                assert!(!accepted && exchanges == 2, "{exchanges} exchanges: {error}");
                assert_eq!(error.reason, Reason::Unauthorized);
            }
        }
    }
}

#[tokio::test]
async fn a_life_that_is_no_life_is_a_careful_default() {
    for life in ["0", "-1", "null", "\"soon\"", "1e300", "99999999999999999999", "\"1800\"", "[]"] {
        let fake = Fake::start(move |request, n| {
            let body = format!(r#"{{"access_token":"access-{n}","expires_in":{life}}}"#);
            if is_exchange(request) { answer(200, &body) } else { answer(200, "[]") }
        })
        .await;
        let (client, organization) = (client(&fake), organization(1, inline("s")));
        for _ in 0..3 {
            list(&client, &organization).await.unwrap();
        }
        assert_eq!(fake.requests(API_TOKEN_PATH).len(), 1, "{life}");
        assert!(client.access_token_expiration(&organization).is_some(), "{life}");
    }
}
