//! A running simulator and a client of it.

use std::future::Future;
use std::time::{Duration, Instant};

use csp_simulator::{self as simulator, Options, SimulatedOrganization, Simulator};
use reqwest::{Client, Method, Response};
use serde_json::Value;

pub(crate) const API: &str = "/csp/gateway/am/api";

pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) client: Client,
}

pub(crate) async fn bench(options: Options) -> Bench {
    let simulator = simulator::start(Options { speed: 0.0, ..options }).await.expect("the simulator starts");
    let client = Client::builder().no_proxy().no_gzip().build().expect("a client");
    Bench { simulator, client }
}

impl Bench {
    pub(crate) fn organization(&self, index: usize) -> SimulatedOrganization {
        self.simulator.organizations()[index].clone()
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}{API}{path}", self.simulator.base_url())
    }

    pub(crate) async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.client.post(self.api(path)).form(form).send().await.expect("an answer")
    }

    pub(crate) async fn app_exchange(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(self.api(path)).form(form);
        let request = request.basic_auth(self.simulator.client_id(), Some(self.simulator.client_secret()));
        request.send().await.expect("an answer")
    }

    pub(crate) async fn app_token(&self) -> String {
        access_token(self.app_exchange("/auth/token", &[("grant_type", "client_credentials")]).await).await
    }

    pub(crate) async fn user_token(&self, index: usize) -> String {
        let token = self.organization(index).api_token;
        access_token(self.post_form("/auth/api-tokens/authorize", &[("api_token", &token)]).await).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.client.get(self.api(path)).bearer_auth(token).send().await.expect("an answer")
    }

    pub(crate) async fn list(&self, index: usize, query: &str, token: &str) -> Vec<Value> {
        let path = format!("/orgs/{}/invitations{query}", self.organization(index).id);
        let response = self.get(&path, token).await;
        assert_eq!(response.status(), 200);
        response.json().await.expect("a JSON array")
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
        let url = format!("{}{path}", self.simulator.control_url().expect("a control endpoint"));
        self.client.request(method, url).body(body).send().await.expect("the control endpoint answers")
    }
}

pub(crate) async fn access_token(response: Response) -> String {
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.expect("JSON");
    assert!(body["expires_in"].is_u64());
    body["access_token"].as_str().expect("an access token").to_owned()
}

pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut test: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !test().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
    }
}
