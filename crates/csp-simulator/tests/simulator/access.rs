//! Token exchanges, what they open, and what refusals look like.

use std::time::Duration;

use csp_simulator::Options;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::bench::{access_token, bench, eventually};

#[tokio::test]
async fn both_token_exchanges_give_tokens_that_open_the_list() {
    let bench = bench(Options::default()).await;
    let path = format!("/orgs/{}/invitations", bench.organization(0).id);
    let grant = [("grant_type", "client_credentials")];
    let api_token = bench.organization(0).api_token;
    let answers = [
        bench.post_form("/auth/api-tokens/authorize", &[("api_token", &api_token)]).await,
        bench.post_form("/auth/api-tokens/authorize", &[("refresh_token", &api_token)]).await,
        bench.app_exchange("/auth/token", &grant).await,
        bench.app_exchange("/auth/authorize", &grant).await,
    ];
    for answer in answers {
        let token = access_token(answer).await;
        assert_eq!(bench.get(&path, &token).await.status(), 200);
        let by_header = bench.client.get(bench.api(&path)).header("csp-auth-token", &token).send().await.unwrap();
        assert_eq!(by_header.status(), 200);
    }
}

#[tokio::test]
async fn the_app_serves_every_organization_and_an_api_token_its_own_alone() {
    let bench = bench(Options::default()).await;
    let (app, user) = (bench.app_token().await, bench.user_token(1).await);
    for (index, expected) in [(0, 403), (1, 200), (2, 403)] {
        let path = format!("/orgs/{}", bench.organization(index).id);
        assert_eq!(bench.get(&path, &app).await.status(), 200);
        assert_eq!(bench.get(&path, &user).await.status(), expected);
    }
    let form = [("grant_type", "client_credentials"), ("orgId", &bench.organization(0).id)];
    let scoped = access_token(bench.app_exchange("/auth/token", &form).await).await;
    assert_eq!(bench.get(&format!("/orgs/{}", bench.organization(0).id), &scoped).await.status(), 200);
    assert_eq!(bench.get(&format!("/orgs/{}", bench.organization(1).id), &scoped).await.status(), 403);
    assert_eq!(bench.simulator.requests().count_of("token", &bench.organization(0).id), 1);
}

#[tokio::test]
async fn refusals_have_the_documented_form() {
    let bench = bench(Options::default()).await;
    let (token, id) = (bench.app_token().await, bench.organization(0).id);
    let list = format!("/orgs/{id}/invitations");
    let answers = [
        (401, bench.client.get(bench.api(&list)).send().await.unwrap()),
        (401, bench.get(&list, "unknown").await),
        (404, bench.get("/orgs/00000000-0000-4000-8000-000000000000/invitations", &token).await),
        (404, bench.get(&format!("{list}/no-such-invitation"), &token).await),
        (404, bench.get("/no/such/path", &token).await),
        (405, bench.client.delete(bench.api(&list)).bearer_auth(&token).send().await.unwrap()),
        (400, bench.get(&format!("{list}?expandCustomGroups=maybe"), &token).await),
        (400, bench.app_exchange("/auth/token", &[]).await),
        (401, bench.post_form("/auth/token", &[("grant_type", "client_credentials")]).await),
    ];
    let mut module_codes = [0, 0];
    for (status, answer) in answers {
        assert_eq!(answer.status(), status);
        let request_id = answer.headers()["csp-request-id"].to_str().unwrap().to_owned();
        let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let body = answer.bytes().await.unwrap();
        assert_eq!(body.len(), length);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["statusCode"], &body["requestId"]), (&json!(status), &json!(request_id)));
        assert!(["cspErrorCode", "errorCode", "message"].iter().all(|key| body[key].is_string()), "{body}");
        module_codes[usize::from(body["moduleCode"].is_string())] += 1;
    }
    assert!(module_codes[0] > 0 && module_codes[1] > 0);
    assert!(bench.get(&list, &token).await.headers().contains_key("csp-request-id"));
    let unsupported = bench.client.delete(bench.api(&list)).send().await.unwrap();
    assert!(unsupported.headers()["allow"].to_str().unwrap().contains("GET"));
}

#[tokio::test]
async fn a_wrong_api_token_is_refused_with_a_message_that_ends_with_its_tail() {
    let bench = bench(Options::default()).await;
    let wrong = bench.post_form("/auth/api-tokens/authorize", &[("api_token", "wrong-token-TAILTAIL")]).await;
    assert_eq!(wrong.status(), 400);
    assert!(wrong.json::<Value>().await.unwrap()["message"].as_str().unwrap().ends_with("TAILTAIL"));
    let details = bench.client.post(bench.api("/auth/api-tokens/details"));
    assert_eq!(details.json(&json!({ "tokenValue": "wrong" })).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn token_details_tell_the_expiration_in_seconds() {
    let bench = bench(Options::default()).await;
    let organization = bench.organization(2);
    let details = bench.client.post(bench.api("/auth/api-tokens/details"));
    let answer = details.json(&json!({ "tokenValue": organization.api_token })).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["orgId"], organization.id);
    assert_eq!(body["tokenValue"], organization.api_token);
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let left = body["expiresAt"].as_i64().unwrap() - now;
    assert!((1..400 * 86_400).contains(&left), "{left} s");
}

#[tokio::test]
async fn access_tokens_run_out_and_can_be_revoked() {
    let bench = bench(Options { token_lifetime: Duration::from_secs(1), ..Options::default() }).await;
    let path = format!("/orgs/{}", bench.organization(0).id);
    let token = bench.app_token().await;
    eventually("the token runs out", async || bench.get(&path, &token).await.status() == 401).await;
    bench.simulator.set_token_lifetime(Duration::from_secs(600));
    let answer = bench.app_exchange("/auth/token", &[("grant_type", "client_credentials")]).await;
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["expires_in"], 600);
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(bench.get(&path, token).await.status(), 200);
    bench.simulator.revoke_access_tokens();
    assert_eq!(bench.get(&path, token).await.status(), 401);
}

#[tokio::test]
async fn names_of_organizations_are_told_to_members_and_lists_of_them_to_users_alone() {
    let bench = bench(Options::default()).await;
    let (app, user) = (bench.app_token().await, bench.user_token(0).await);
    let organization = bench.organization(0);
    let path = format!("/orgs/{}", organization.id);
    let details: Value = bench.get(&path, &app).await.json().await.unwrap();
    assert_eq!(details["displayName"], organization.display_name);
    assert!(details["refLink"].as_str().unwrap().ends_with(&organization.id) && details.get("id").is_none());
    bench.simulator.set_display_name(&organization.id, "Renamed \"quoted\"").unwrap();
    assert_eq!(bench.get(&path, &app).await.json::<Value>().await.unwrap()["displayName"], "Renamed \"quoted\"");

    assert_eq!(bench.get("/v2/loggedin/user/orgs", &app).await.status(), 403);
    let page: Value = bench.get("/v2/loggedin/user/orgs?pageLimit=1", &user).await.json().await.unwrap();
    assert_eq!((page["results"].as_array().unwrap().len(), &page["totalResults"]), (1, &json!(2)));
    let next = format!("{}{}", bench.simulator.base_url(), page["nextLink"].as_str().unwrap());
    let last: Value = bench.client.get(next).bearer_auth(&user).send().await.unwrap().json().await.unwrap();
    assert_eq!(last["results"][0]["displayName"], bench.organization(1).display_name);
    assert!(last["nextLink"].is_null());
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken_too() {
    let bench = bench(Options::default()).await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = client.get(bench.api("/orgs/none")).send().await.unwrap();
    assert_eq!((answer.version(), answer.status()), (reqwest::Version::HTTP_2, StatusCode::UNAUTHORIZED));
}
