//! What is asked for, and what an answer means.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use csp_api::{CredentialKind, Expand};
use csp_api::{Operation, Reason};

use crate::fake::{
    API_TOKEN_PATH, Answer, Fake, Text, answer, client, grant, inline, list, lists, observed, organization,
};
use crate::fake::{api, response, soon, with};

#[tokio::test]
async fn a_list_is_fetched_with_the_exchanged_token() {
    let fake = lists(|_| answer(200, "[{}]")).await;
    let organization = organization(1, inline("the-secret"));
    assert_eq!(list(&client(&fake), &organization).await.unwrap(), "[{}]");
    let exchange = &fake.requests(API_TOKEN_PATH)[0];
    assert_eq!(exchange.body, "api_token=the-secret");
    assert_eq!(exchange.headers["accept"], "application/json");
    let list = &fake.requests("/invitations")[0];
    assert_eq!(list.path, format!("/csp/gateway/am/api/orgs/{}/invitations", organization.id));
    assert_eq!(list.query, "expand=true&expandCustomGroups=true");
    assert_eq!(list.headers["authorization"], "Bearer access-0");
    assert_eq!(list.headers["user-agent"], concat!("csp-invitations-exporter/", env!("CARGO_PKG_VERSION")));
    assert_eq!(list.headers["accept"], "application/json");
    assert!(list.headers["accept-encoding"].contains("gzip"));
    assert!(!list.headers.contains_key("referer"));
}

#[tokio::test]
async fn expansions_that_are_off_leave_no_trace_in_the_query() {
    let fake = lists(|_| answer(200, "[]")).await;
    let (client, organization) = (client(&fake), organization(1, inline("s")));
    for (roles, groups) in [(false, false), (true, false), (false, true)] {
        client.invitations(&organization, Expand { roles, groups }, &soon(), Text::default).await.unwrap();
    }
    let queries: Vec<_> = fake.requests("/invitations").into_iter().map(|request| request.query).collect();
    assert_eq!(queries, ["", "expand=true", "expandCustomGroups=true"]);
}

#[tokio::test]
async fn one_group_alone_is_asked_for_by_its_id() {
    let fake = lists(|_| answer(200, "[]")).await;
    let (client, mut organization) = (client(&fake), organization(1, inline("s")));
    organization.custom_group_id = Some("77aA-b".to_owned());
    list(&client, &organization).await.unwrap();
    let expand = Expand { roles: false, groups: false };
    client.invitations(&organization, expand, &soon(), Text::default).await.unwrap();
    drop(client.organization(&organization, &soon()).await);
    let queries: Vec<_> = fake.requests("/invitations").into_iter().map(|request| request.query).collect();
    assert_eq!(queries, ["expand=true&expandCustomGroups=true&customGroupId=77aA-b", "customGroupId=77aA-b"]);
    assert_eq!(fake.requests(&organization.id)[0].query, "", "the name is the organization's");
}

#[tokio::test]
async fn an_oauth_app_is_exchanged_with_basic_and_its_organization() {
    let fake = Fake::start(|request, n| match request.path.as_str() {
        path if path.ends_with("/auth/token") => grant(n, 1800),
        _ => answer(200, "[]"),
    })
    .await;
    let kind = || CredentialKind::OAuthApp { client_id: "id".to_owned(), client_secret: inline("s+/ :ü") };
    let client = client(&fake);
    for id in [1, 1, 2] {
        list(&client, &with(id, kind())).await.unwrap();
    }
    let exchanges = fake.requests("/auth/token");
    assert_eq!(exchanges.len(), 2, "one token for each organization");
    assert_eq!(exchanges[1].body, format!("grant_type=client_credentials&orgId={}", with(2, kind()).id));
    assert_eq!(exchanges[0].headers["authorization"], "Basic aWQ6cysvIDrDvA==");
}

#[tokio::test]
async fn each_status_has_its_reason_and_no_useless_retry() {
    for (status, reason) in [
        (400, Reason::BadRequest),
        (403, Reason::Forbidden),
        (404, Reason::NotFound),
        (418, Reason::UnexpectedStatus),
        (304, Reason::UnexpectedStatus),
        (204, Reason::Decode),
        (206, Reason::UnexpectedStatus),
    ] {
        let fake =
            lists(move |_| Answer::Close(format!("HTTP/1.1 {status} X\r\ncsp-request-id: id-1\r\n\r\n").into_bytes()))
                .await;
        let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
        assert_eq!((error.operation, error.reason, error.status), (Operation::Invitations, reason, Some(status)));
        assert_eq!(error.request_id.as_deref(), Some("id-1"));
        assert_eq!(fake.requests("/invitations").len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = lists(|_| Answer::Keep(response(302, "location: /elsewhere\r\n", ""))).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::UnexpectedStatus);
    assert!(fake.requests("/elsewhere").is_empty());
}

#[tokio::test]
async fn server_errors_are_tried_again_up_to_the_limit() {
    let fake = lists(|n| if n < 2 { answer(503, "") } else { answer(200, "[]") }).await;
    list(&client(&fake), &organization(1, inline("s"))).await.unwrap();

    let fake = lists(|_| answer(500, r#"{"cspErrorCode":"a.b","moduleCode":5,"message":"canary"}"#)).await;
    let (client, recorder) = observed(&api(&fake.url));
    let error = list(&client, &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!((error.reason, error.detail.as_str()), (Reason::ServerError, "the service says a.b"));
    assert_eq!(fake.requests("/invitations").len(), 3);
    for (event, count) in [
        ("request token", 1),
        ("response token 200", 1),
        ("request invitations", 3),
        ("response invitations 500", 3),
        ("failure invitations server_error", 3),
        ("duration invitations -", 3),
        ("retry invitations", 2),
        ("codes invitations a.b 5", 3),
    ] {
        assert_eq!(recorder.count(event), count, "{event}: {:?}", recorder.all());
    }
}

#[tokio::test]
async fn an_html_page_is_named_as_such() {
    let fake = lists(|_| Answer::Keep(response(200, "", " \n<html>canary</html>"))).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Decode);
    assert_eq!(error.detail, "an HTML page instead of JSON");
    let fake = lists(|_| Answer::Keep(response(403, "content-type: text/html\r\n", "canary"))).await;
    let error = list(&client(&fake), &organization(1, inline("s"))).await.unwrap_err();
    assert_eq!(error.reason, Reason::Forbidden);
    assert!(error.detail.contains("HTML") && !error.detail.contains("canary"), "{error}");
}

#[tokio::test]
async fn names_and_the_end_of_an_api_token_are_read() {
    let fake = Fake::start(|request, n| match request.path.rsplit('/').next() {
        Some("authorize") => grant(n, 1800),
        Some("details") => answer(200, r#"{"tokenValue":"s","expiresAt":1900000000}"#),
        _ => answer(200, r#"{"name":"x","displayName":"Acme"}"#),
    })
    .await;
    let (client, organization) = (client(&fake), organization(1, inline("s")));
    assert_eq!(client.organization(&organization, &soon()).await.unwrap(), None, "there is no access token yet");
    assert!(fake.requests("").is_empty(), "no credential is exchanged for a name");
    drop(list(&client, &organization).await);
    assert_eq!(client.organization(&organization, &soon()).await.unwrap().unwrap().display_name, "Acme");
    let (secret, expiration) = client.token_details(&organization.credential, &soon()).await.unwrap();
    assert_eq!(expiration, Some(UNIX_EPOCH + Duration::from_secs(1_900_000_000)));
    assert_eq!(*client.last_read(&organization.credential).borrow(), Some(secret));
    assert_eq!(fake.requests("/details")[0].body, r#"{"tokenValue":"s"}"#);
    let app = CredentialKind::OAuthApp { client_id: "id".to_owned(), client_secret: inline("s") };
    client.token_details(&with(1, app).credential, &soon()).await.unwrap_err();
    assert_eq!(fake.requests("/details").len(), 1, "only API tokens run out");
    let left = client.access_token_expiration(&organization).unwrap().duration_since(SystemTime::now()).unwrap();
    assert!((1700..=1800).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test]
async fn a_long_list_arrives_whole_in_slices() {
    let body = format!("[\"{}\"]", "x".repeat(700_000));
    let expected = body.clone();
    let fake = lists(move |_| answer(200, &body)).await;
    assert!(list(&client(&fake), &organization(1, inline("s"))).await.unwrap() == expected);
}

#[tokio::test]
async fn a_base_url_with_a_path_and_a_user_is_used_without_the_user() {
    let fake = lists(|_| answer(200, "[]")).await;
    let mut api = api(&fake.url);
    api.url = format!("http://user:canary@localhost:{}/prefix/", fake.port()).parse().unwrap();
    api.timeout = Duration::from_secs(3);
    let (client, _) = observed(&api);
    list(&client, &organization(1, inline("s"))).await.unwrap();
    let list = &fake.requests("/invitations")[0];
    assert!(list.path.starts_with("/prefix/csp/"), "{}", list.path);
    assert_eq!(list.headers["authorization"], "Bearer access-0");
    assert!(!format!("{client:?}").contains("canary"));
}
