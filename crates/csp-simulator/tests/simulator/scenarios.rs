//! What each scenario of the simulator does to its callers.

use std::time::{Duration, Instant};

use csp_simulator::{self as simulator, Options, Scenario, Simulator};
use reqwest::{Client, Response};
use serde_json::Value;

use crate::bench::eventually;

struct Bench {
    simulator: Simulator,
    client: Client,
    token: String,
}

/// A steady simulator and an access token for all of it.
async fn bench(options: Options) -> Bench {
    let simulator = simulator::start(Options { speed: 0.0, ..options }).await.expect("the simulator starts");
    let client = Client::builder().no_proxy().build().expect("a client");
    let bench = Bench { simulator, client, token: String::new() };
    let body: Value = bench.exchange().await.expect("an answer").json().await.expect("JSON");
    let token = body["access_token"].as_str().expect("an access token").to_owned();
    Bench { token, ..bench }
}

impl Bench {
    async fn exchange(&self) -> reqwest::Result<Response> {
        let request = self.client.post(format!("{}/csp/gateway/am/api/auth/token", self.simulator.base_url()));
        let request = request.basic_auth(self.simulator.client_id(), Some(self.simulator.client_secret()));
        request.form(&[("grant_type", "client_credentials")]).send().await
    }

    async fn exchange_api_token(&self) -> reqwest::Result<Response> {
        let url = format!("{}/csp/gateway/am/api/auth/api-tokens/authorize", self.simulator.base_url());
        let token = &self.simulator.organizations()[0].api_token;
        self.client.post(url).form(&[("api_token", token)]).send().await
    }

    async fn list(&self, index: usize) -> reqwest::Result<Response> {
        let id = &self.simulator.organizations()[index].id;
        let url = format!("{}/csp/gateway/am/api/orgs/{id}/invitations", self.simulator.base_url());
        self.client.get(url).bearer_auth(&self.token).send().await
    }

    async fn status(&self, index: usize) -> u16 {
        self.list(index).await.expect("an answer").status().as_u16()
    }

    async fn put_scenario(&self, path: &str, scenario: Scenario) {
        let url = format!("{}{path}", self.simulator.control_url().expect("a control endpoint"));
        let answer = self.client.put(&url).body(scenario.as_str()).send().await.expect("an answer");
        assert_eq!(answer.status(), 204);
        let now = self.client.get(&url).send().await.expect("an answer").text().await.expect("a word");
        assert_eq!(now.trim(), scenario.as_str());
    }
}

#[tokio::test]
async fn a_storm_asks_for_patience_in_three_forms() {
    let bench = bench(Options { retry_after: Duration::from_secs(7), ..Options::default() }).await;
    bench.put_scenario("/scenario", Scenario::RateLimitStorm).await;
    for _ in 0..2 {
        let mut forms = Vec::new();
        for _ in 0..3 {
            let answer = bench.list(0).await.unwrap();
            assert_eq!(answer.status(), 429);
            forms.push(answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned()));
        }
        assert_eq!(forms[0].as_deref(), Some("7"));
        let date = forms[1].as_deref().unwrap();
        let until = jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_second();
        assert!(date.ends_with(" GMT") && until >= jiff::Timestamp::now().as_second() + 5, "{date}");
        assert_eq!(forms[2], None);
    }
    assert_eq!(bench.exchange().await.unwrap().status(), 429);
    bench.put_scenario("/scenario", Scenario::Steady).await;
    assert_eq!(bench.status(0).await, 200);
}

#[tokio::test]
async fn an_outage_answers_5xx_then_refuses_connections_and_ends_with_its_scenario() {
    let bench = bench(Options { outage_grace: Duration::from_millis(1500), ..Options::default() }).await;
    bench.put_scenario("/scenario", Scenario::Outage).await;
    assert!(bench.status(0).await >= 500);
    // A new connection each time: one that is open could be closed without being refused.
    let url = bench.simulator.base_url();
    let refused = async || {
        let client = Client::builder().no_proxy().build().unwrap();
        client.get(&url).send().await.is_err_and(|error| error.is_connect())
    };
    eventually("connections are refused", refused).await;
    assert!(bench.list(0).await.is_err(), "a connection outlived the outage");
    bench.put_scenario("/scenario", Scenario::Steady).await;
    eventually("connections are accepted", async || bench.list(0).await.is_ok_and(|r| r.status() == 200)).await;
}

#[tokio::test]
async fn an_outage_of_one_organization_closes_its_connections_and_leaves_the_others_alone() {
    let bench = bench(Options { outage_grace: Duration::ZERO, ..Options::default() }).await;
    let id = &bench.simulator.organizations()[1].id;
    bench.put_scenario(&format!("/organizations/{id}/scenario"), Scenario::Outage).await;
    assert_eq!(bench.status(0).await, 200);
    assert!(bench.list(1).await.is_err());
    bench.simulator.set_organization_scenario(id, None).unwrap();
    assert_eq!(bench.status(1).await, 200);
}

#[tokio::test]
async fn an_outage_at_the_start_is_one_from_the_first_request_on() {
    let options = Options { scenario: Scenario::Outage, outage_grace: Duration::ZERO, ..Options::default() };
    let simulator = simulator::start(options).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    assert!(client.get(simulator.base_url()).send().await.is_err());
    simulator.set_scenario(Scenario::Steady);
    eventually("it answers", async || client.get(simulator.base_url()).send().await.is_ok()).await;
}

#[tokio::test]
async fn slow_answers_are_complete_but_late() {
    let slow_delay = Duration::from_millis(400);
    let bench = bench(Options { slow_delay, ..Options::default() }).await;
    bench.simulator.set_scenario(Scenario::Slow);
    let started = Instant::now();
    assert!(!bench.list(0).await.unwrap().json::<Vec<Value>>().await.unwrap().is_empty());
    assert!(started.elapsed() >= slow_delay);
}

#[tokio::test]
async fn revoked_credentials_open_nothing() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.status(0).await, 200);
    bench.simulator.set_scenario(Scenario::CredentialsRevoked);
    assert_eq!(bench.status(0).await, 401);
    assert_eq!(bench.exchange().await.unwrap().status(), 401);
    assert_eq!(bench.exchange_api_token().await.unwrap().status(), 400);
}

#[tokio::test]
async fn malformed_lists_are_wrong_in_six_ways_in_turn() {
    let bench = bench(Options::default()).await;
    bench.simulator.set_scenario(Scenario::Malformed);
    assert_eq!(bench.exchange().await.unwrap().status(), 200, "only lists are malformed");
    for round in 0..2 {
        let page = bench.list(0).await.unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()["content-type"]),
            (200, &"text/html; charset=utf-8".parse().unwrap())
        );
        assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));

        let cut = bench.list(0).await.unwrap().bytes().await.expect("a complete body");
        assert!(cut.starts_with(b"[{") && serde_json::from_slice::<Value>(&cut).is_err(), "round {round}");

        let broken = bench.list(0).await.unwrap();
        assert_eq!(broken.status(), 200);
        assert!(broken.bytes().await.is_err(), "the body should break off");

        let object: Value = bench.list(0).await.unwrap().json().await.unwrap();
        assert!(object.is_object());

        let wrong: Vec<Value> = bench.list(0).await.unwrap().json().await.unwrap();
        assert!(wrong.iter().all(Value::is_object));
        assert!(wrong.iter().any(|value| value["status"].is_number()));
        assert!(wrong.iter().any(|value| value["generatedAt"].is_string()));

        let nulls: Vec<Value> = bench.list(0).await.unwrap().json().await.unwrap();
        assert!(
            nulls.iter().any(Value::is_null)
                && nulls.iter().any(Value::is_number)
                && nulls.iter().any(Value::is_object)
        );
    }
}

#[tokio::test]
async fn a_large_list_has_its_exact_length_and_the_other_organizations_theirs() {
    let bench = bench(Options { large_invitations: 5000, ..Options::default() }).await;
    let id = &bench.simulator.organizations()[0].id;
    bench.simulator.set_organization_scenario(id, Some(Scenario::Large)).unwrap();
    let length = async |index| bench.list(index).await.unwrap().json::<Vec<Value>>().await.unwrap().len();
    assert_eq!(length(0).await, 5000);
    assert!(length(1).await < 500);
}

#[tokio::test]
async fn each_organization_takes_its_own_turn_in_a_storm() {
    let bench = bench(Options::default()).await;
    bench.simulator.set_scenario(Scenario::RateLimitStorm);
    for index in [0, 1, 2] {
        assert!(bench.list(index).await.unwrap().headers()["retry-after"].to_str().unwrap().parse::<u32>().is_ok());
    }
}
