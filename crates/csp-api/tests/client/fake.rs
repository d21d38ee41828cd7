//! The client's surroundings.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use csp_api::{Api, Credential, CredentialKind, Expand, Organization, Secret, Tls};
use csp_api::{Client, Error, Reason, Sink, SinkError};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::time::Instant;

use crate::recorder::Recorder;
pub(crate) use crate::upstream::{Answer, Fake, Request, response};

pub(crate) const API_TOKEN_PATH: &str = "/csp/gateway/am/api/auth/api-tokens/authorize";
pub(crate) const OAUTH_PATH: &str = "/csp/gateway/am/api/auth/token";
pub(crate) const BOTH: Expand = Expand { roles: true, groups: true };

pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Answer::Keep(response(status, "content-type: application/json\r\n", body))
}

/// The `n`th access token, with a life in seconds.
pub(crate) fn grant(n: usize, life: u64) -> Answer {
    answer(200, &format!(r#"{{"access_token":"access-{n}","expires_in":{life},"id_token":null}}"#))
}

/// Answers exchanges of an API token well, and everything else with `answer`.
pub(crate) async fn lists(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Fake {
    Fake::start(move |request, n| if request.path.ends_with(API_TOKEN_PATH) { grant(n, 1800) } else { answer(n) }).await
}

/// Settings for `fake` that retry quickly enough for a test.
pub(crate) fn api(url: &str) -> Api {
    Api {
        url: url.parse().unwrap(),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(2),
        max_response_size: 1024 * 1024,
        max_concurrent_requests: 8,
        requests_per_second: None,
        max_attempts: 3,
        token_path: OAUTH_PATH.to_owned(),
        proxy_url: None,
        tls: Tls::default(),
    }
}

pub(crate) fn organization(id: u32, secret: Secret) -> Organization {
    with(id, CredentialKind::ApiToken { token: secret })
}

pub(crate) fn with(id: u32, kind: CredentialKind) -> Organization {
    Organization {
        id: format!("00000000-0000-4000-8000-{id:012}"),
        custom_group_id: None,
        name: format!("org-{id}"),
        credential: Arc::new(Credential { name: "credential".to_owned(), kind }),
    }
}

pub(crate) fn inline(secret: &str) -> Secret {
    Secret::Inline(secret.to_owned().into())
}

/// A deadline short enough for quick back-offs and long enough for a busy machine.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Keeps a JSON array as text.
#[derive(Default)]
pub(crate) struct Text(Vec<u8>);

impl Sink for Text {
    type Output = String;

    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        assert!(chunk.len() <= 64 * 1024);
        self.0.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(self) -> Result<String, SinkError> {
        let array = serde_json::from_slice::<Vec<serde_json::Value>>(&self.0);
        array.map_err(|_| SinkError::Decode("not an array".to_owned()))?;
        String::from_utf8(self.0).map_err(|_| SinkError::Decode("not UTF-8".to_owned()))
    }
}

/// Fetches a list with both expansions.
pub(crate) async fn list(client: &Client, organization: &Organization) -> Result<String, Error> {
    client.invitations(organization, BOTH, soon(), Text::default).await
}

pub(crate) fn client(fake: &Fake) -> Client {
    Client::new(&api(&fake.url), Arc::new(Recorder::default())).unwrap()
}

pub(crate) fn observed(api: &Api) -> (Client, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (Client::new(api, Arc::<Recorder>::clone(&recorder)).unwrap(), recorder)
}

/// Why a list fails.
pub(crate) async fn failure(fake: &Fake) -> Reason {
    list(&client(fake), &organization(1, inline("s"))).await.unwrap_err().reason
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
