//! The simulator over real HTTP, as the exporter and a rehearsing operator see it.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use csp_invitations_exporter::simulator::{self, Options, Scenario, SimulatedOrganization, Simulator};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

const API: &str = "/csp/gateway/am/api";

struct Bench {
    simulator: Simulator,
    client: Client,
}

async fn bench(options: Options) -> Bench {
    let simulator = simulator::start(Options { speed: 0.0, ..options }).await.expect("the simulator starts");
    let client = Client::builder().no_proxy().no_gzip().build().expect("a client");
    Bench { simulator, client }
}

impl Bench {
    fn organization(&self, index: usize) -> SimulatedOrganization {
        self.simulator.organizations()[index].clone()
    }

    fn api(&self, path: &str) -> String {
        format!("{}{API}{path}", self.simulator.base_url())
    }

    async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.client.post(self.api(path)).form(form).send().await.expect("an answer")
    }

    async fn app_exchange(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(self.api(path)).form(form);
        let request = request.basic_auth(self.simulator.client_id(), Some(self.simulator.client_secret()));
        request.send().await.expect("an answer")
    }

    async fn app_token(&self) -> String {
        access_token(self.app_exchange("/auth/token", &[("grant_type", "client_credentials")]).await).await
    }

    async fn user_token(&self, index: usize) -> String {
        let token = self.organization(index).api_token;
        access_token(self.post_form("/auth/api-tokens/authorize", &[("api_token", &token)]).await).await
    }

    async fn get(&self, path: &str, token: &str) -> Response {
        self.client.get(self.api(path)).bearer_auth(token).send().await.expect("an answer")
    }

    async fn list(&self, index: usize, query: &str, token: &str) -> Vec<Value> {
        let path = format!("/orgs/{}/invitations{query}", self.organization(index).id);
        let response = self.get(&path, token).await;
        assert_eq!(response.status(), 200);
        response.json().await.expect("a JSON array")
    }

    async fn control(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
        let url = format!("{}{path}", self.simulator.control_url().expect("a control endpoint"));
        self.client.request(method, url).body(body).send().await.expect("the control endpoint answers")
    }
}

async fn access_token(response: Response) -> String {
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.expect("JSON");
    assert!(body["expires_in"].is_u64());
    body["access_token"].as_str().expect("an access token").to_owned()
}

async fn eventually<F: Future<Output = bool>>(what: &str, mut test: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !test().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
    }
}

/// What does not depend on when it is looked at.
fn timeless(list: &[Value]) -> Vec<(Value, Value, Value, i64)> {
    let lifetime = |value: &Value| {
        value["redeemedAt"].as_i64().filter(|&at| at > 0).map_or(0, |at| at - value["generatedAt"].as_i64().unwrap())
    };
    list.iter().map(|v| (v["refLink"].clone(), v["status"].clone(), v["username"].clone(), lifetime(v))).collect()
}

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
async fn expand_counts_by_its_presence_and_expand_custom_groups_by_its_value() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    for (query, roles, groups) in [
        ("", false, false),
        ("?expand", true, false),
        ("?expand=false", true, false),
        ("?expandCustomGroups=false", false, false),
        ("?expandCustomGroups=true", false, true),
        ("?expand=true&expandCustomGroups=true", true, true),
    ] {
        let list = bench.list(0, query, &token).await;
        assert_eq!(list.iter().any(|value| value["organizationRoles"].is_array()), roles, "{query}");
        assert_eq!(list.iter().any(|value| value["customGroups"].is_array()), groups, "{query}");
    }
}

#[tokio::test]
async fn a_list_can_be_asked_for_one_group_and_for_one_invitation() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    let id = bench.organization(0).id;
    let groups: Value = bench.get(&format!("/orgs/{id}/groups?pageLimit=5"), &token).await.json().await.unwrap();
    assert_eq!(groups["results"].as_array().unwrap().len(), 5);
    let group = &groups["results"][0]["id"];
    let list = bench.list(0, &format!("?customGroupId={}", group.as_str().unwrap()), &token).await;
    assert!(!list.is_empty());
    assert!(list.iter().all(|value| value["customGroupsIds"].as_array().unwrap().contains(group)));
    let path = list[0]["refLink"].as_str().unwrap();
    let one =
        bench.client.get(format!("{}{path}", bench.simulator.base_url())).bearer_auth(&token).send().await.unwrap();
    assert_eq!(one.json::<Value>().await.unwrap()["username"], list[0]["username"]);
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
async fn identical_seeds_give_identical_lists_and_other_seeds_others() {
    let mut lists = Vec::new();
    for seed in [7, 7, 8] {
        let bench = bench(Options { seed, ..Options::default() }).await;
        let token = bench.app_token().await;
        lists.push((bench.organization(1), timeless(&bench.list(1, "", &token).await)));
    }
    assert_eq!(lists[0], lists[1]);
    assert_ne!(lists[0].0, lists[2].0);
    assert_ne!(lists[0].1, lists[2].1);
}

#[tokio::test]
async fn invitations_live_on_under_the_same_identity_and_their_durations_stay() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    let before = timeless(&bench.list(0, "", &token).await);
    bench.simulator.advance(Duration::from_secs(3 * 86_400));
    let after = timeless(&bench.list(0, "", &token).await);
    let after: HashMap<_, _> = after.iter().map(|row| (row.0.as_str().unwrap(), row)).collect();
    let kept: Vec<_> = before.iter().filter_map(|row| Some((row, *after.get(row.0.as_str()?)?))).collect();
    assert!(kept.len() > before.len() * 3 / 4 && kept.len() < before.len());
    assert!(after.len() > kept.len(), "nobody was invited");
    let redeemed: Vec<_> = kept.iter().filter(|(row, _)| row.1 == "REDEEMED").collect();
    assert!(redeemed.len() > 20 && redeemed.iter().all(|(old, new)| old == new));
    assert!(kept.iter().any(|(old, new)| old.1 == "AVAILABLE" && new.1 == "REDEEMED"));
}

#[tokio::test]
async fn lists_are_compressed_when_asked_for() {
    let bench = bench(Options::default()).await;
    let token = bench.app_token().await;
    let plain = bench.list(0, "", &token).await;
    let url = bench.api(&format!("/orgs/{}/invitations", bench.organization(0).id));
    let request = |client: &Client| client.get(&url).bearer_auth(&token);
    let raw = request(&bench.client).header("accept-encoding", "br, gzip").send().await.unwrap();
    assert_eq!(raw.headers()["content-encoding"], "gzip");
    let raw = raw.bytes().await.unwrap();
    assert!(raw.starts_with(&[0x1f, 0x8b]));
    let client = Client::builder().no_proxy().build().unwrap();
    let unpacked: Vec<Value> = request(&client).send().await.unwrap().json().await.unwrap();
    assert_eq!(timeless(&unpacked), timeless(&plain));
    let refused = request(&bench.client).header("accept-encoding", "gzip;q=0").send().await.unwrap();
    assert!(!refused.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken_too() {
    let bench = bench(Options::default()).await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = client.get(bench.api("/orgs/none")).send().await.unwrap();
    assert_eq!((answer.version(), answer.status()), (reqwest::Version::HTTP_2, StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn an_explicit_list_is_served_byte_for_byte_until_it_is_taken_back() {
    let bench = bench(Options::default()).await;
    let (token, id) = (bench.app_token().await, bench.organization(0).id);
    let path = format!("/orgs/{id}/invitations");
    let living = timeless(&bench.list(0, "", &token).await);
    bench.simulator.set_invitations(&id, Some(Bytes::from_static(b" [ {\"username\" : 1 ]"))).unwrap();
    assert_eq!(bench.get(&path, &token).await.text().await.unwrap(), " [ {\"username\" : 1 ]");
    let control = format!("/organizations/{id}/invitations");
    let long = vec![b' '; 3 << 20];
    assert_eq!(bench.control(Method::PUT, &control, long.clone()).await.status(), 204);
    assert_eq!(bench.get(&path, &token).await.bytes().await.unwrap(), long);
    assert_eq!(bench.control(Method::DELETE, &control, "").await.status(), 204);
    assert_eq!(timeless(&bench.list(0, "", &token).await), living);
}

#[tokio::test]
async fn the_counters_tell_what_was_asked_without_its_secrets() {
    let bench = bench(Options::default()).await;
    let (token, id) = (bench.app_token().await, bench.organization(0).id);
    bench.list(0, "?expand=1", &token).await;
    bench.list(0, "?expand=1", &token).await;
    bench.list(1, "?expandCustomGroups=true", &token).await;
    let url = bench.api(&format!("/orgs/{id}"));
    bench.client.get(url).header("csp-auth-token", &token).header("user-agent", "probe/1").send().await.unwrap();
    let text = bench.control(Method::GET, "/requests", "").await.text().await.unwrap();
    assert!(!text.contains(&token) && !text.to_lowercase().contains("authorization"), "{text}");
    let counts: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(counts["total"], 5);
    assert_eq!(counts["operations"]["invitations"]["total"], 3);
    assert_eq!(counts["operations"]["invitations"]["organizations"][&id], 2);
    let target = counts["operations"]["invitations"]["last_target"].as_str().unwrap();
    assert_eq!(target, format!("{API}/orgs/{}/invitations?expandCustomGroups=true", bench.organization(1).id));
    assert_eq!(counts["operations"]["organization"]["last_headers"]["user-agent"], "probe/1");
    assert_eq!(bench.control(Method::DELETE, "/requests", "").await.status(), 204);
    assert_eq!(bench.simulator.requests().total, 0);
}

#[tokio::test]
async fn requests_that_overlap_are_seen_as_concurrent() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.control(Method::PUT, "/latency", "300").await.status(), 204);
    let started = Instant::now();
    let four = || bench.get("/orgs/none", "none");
    tokio::join!(four(), four(), four(), four());
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(bench.simulator.requests().max_concurrent, 4);
}

#[tokio::test]
async fn the_control_endpoint_tells_what_it_does_not_understand() {
    let bench = bench(Options::default()).await;
    let none = "/organizations/none/scenario";
    assert_eq!(bench.control(Method::PUT, "/scenario", "storm").await.status(), 400);
    assert_eq!(bench.control(Method::PUT, "/latency", "soon").await.status(), 400);
    assert_eq!(bench.control(Method::PUT, none, "slow").await.status(), 404);
    assert!(bench.simulator.set_organization_scenario("none", None).is_err());
    let away = Options { control_listen: Some(([0, 0, 0, 0], 0).into()), ..Options::default() };
    assert_eq!(simulator::start(away).await.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    let backwards = Options { speed: -1.0, ..Options::default() };
    assert_eq!(simulator::start(backwards).await.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_banner_is_all_that_a_client_needs() {
    let bench = bench(Options { organizations: 12, ..Options::default() }).await;
    let mut banner = Vec::new();
    bench.simulator.write_banner(&mut banner).unwrap();
    let banner = String::from_utf8(banner).unwrap();
    let [first, hidden] = [0, 11].map(|index| bench.organization(index));
    let simulator = &bench.simulator;
    for part in [&simulator.base_url(), &simulator.control_url().unwrap(), &first.id, &first.api_token] {
        assert!(banner.contains(part.as_str()), "{part} is missing in\n{banner}");
    }
    assert!(banner.contains(&format!("CSP_CLIENT_ID={}\n", simulator.client_id())));
    assert!(banner.contains(&format!("CSP_CLIENT_SECRET={}\n", simulator.client_secret())));
    assert!(banner.contains("and 2 more") && !banner.contains(&hidden.api_token));
}

#[tokio::test]
async fn run_ends_with_its_shutdown_and_closes_the_address() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut url = String::new();
    let started = |simulator: &Simulator| {
        url = simulator.base_url();
        sender.send(()).map_err(|()| std::io::Error::other("nobody listens"))
    };
    simulator::run(Options::default(), started, async { receiver.await.unwrap() }).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    assert!(client.get(url).send().await.unwrap_err().is_connect());
    let failed = simulator::run(Options::default(), |_| Err(std::io::Error::other("x")), std::future::pending()).await;
    assert!(failed.is_err());
}

#[tokio::test]
async fn thousands_of_organizations_start_at_once() {
    let bench = bench(Options { organizations: 3000, invitations: 1000, ..Options::default() }).await;
    let token = bench.app_token().await;
    assert!(bench.list(2999, "", &token).await.len() > 800);
    assert_eq!(bench.simulator.scenario(), Scenario::Steady);
}
