//! One attempt: admitted, sent, read, and reported whatever happens.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::RETRY_AFTER;
use reqwest::{Request, Response};
use tokio::time::{Instant, timeout_at};

use super::body;
use super::budget::{Budget, Denied};
use super::error::{Error, Operation, Reason};
use super::fault;
use super::observer::Observer;
use super::retry::{Attempts, Failure, Retry, retry_after};
use super::sink::Sink;
use super::wire;

/// Sends requests within the limits that all organizations share.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) http: reqwest::Client,
    pub(super) budget: Arc<Budget>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) max_response_size: u64,
    pub(super) max_attempts: u32,
}

/// What is known of an attempt while it runs.
#[derive(Default)]
struct Progress {
    status: Option<u16>,
    request_id: Option<String>,
    bytes: u64,
}

impl Sender {
    /// The attempts of one call.
    pub(super) fn attempts(&self, operation: Operation, deadline: Instant) -> Attempts<'_> {
        Attempts::new(&self.budget, &*self.observer, operation, deadline, self.max_attempts)
    }

    /// Makes one attempt. `build` runs when the request may start: it can still find that its token has run out.
    /// `sink` runs when a good answer begins.
    pub(super) async fn attempt<S: Sink>(
        &self,
        operation: Operation,
        deadline: Instant,
        build: impl FnOnce() -> Result<Request, Failure> + Send,
        sink: impl FnOnce() -> S + Send,
    ) -> Result<S::Output, Failure> {
        let _place = self.budget.admit(deadline, &*self.observer).await.map_err(|why| denied(operation, why))?;
        let request = build()?;
        let start = Instant::now();
        let limit = deadline.min(start + self.timeout);
        let mut progress = Progress::default();
        self.observer.request(operation);
        let result = timeout_at(limit, self.exchange(operation, request, &mut progress, sink)).await;
        let took = start.elapsed();
        let Progress { status, request_id, bytes } = progress;
        tracing::debug!(%operation, status, bytes, ?took, request_id, "attempt ended");
        self.observer.duration(operation, took, request_id.as_deref());
        self.observer.bytes(operation, bytes);
        let result = result.unwrap_or_else(|_| {
            let detail = if limit == deadline {
                "the poll's deadline passed".to_owned()
            } else {
                format!("no complete answer within {:?} (api.timeout)", self.timeout)
            };
            Err(Failure { error: Error::new(operation, Reason::Timeout, detail), retry: Retry::BackOff })
        });
        result.map_err(|mut failure| {
            self.observer.failure(operation, failure.error.reason);
            failure.error.status = status;
            failure.error.request_id = request_id;
            failure
        })
    }

    async fn exchange<S: Sink>(
        &self,
        operation: Operation,
        request: Request,
        progress: &mut Progress,
        sink: impl FnOnce() -> S + Send,
    ) -> Result<S::Output, Failure> {
        let response = self.http.execute(request).await;
        let response = response.map_err(|error| fault::sending(operation, &error, self.connect_timeout))?;
        let status = response.status();
        self.observer.response(operation, status.as_u16());
        progress.status = Some(status.as_u16());
        progress.request_id = response.headers().get("csp-request-id").and_then(|id| wire::request_id(id.as_bytes()));
        if status.is_success() {
            return body::read(operation, response, self.max_response_size, &mut progress.bytes, sink()).await;
        }
        Err(self.refusal(operation, response, &mut progress.bytes).await)
    }

    /// What a status other than 2xx means.
    async fn refusal(&self, operation: Operation, response: Response, bytes: &mut u64) -> Failure {
        let status = response.status().as_u16();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|value| retry_after(value, SystemTime::now()));
        let (reason, retry) = match (status, operation) {
            (429, _) => (Reason::RateLimited, Retry::SlowDown(asked)),
            (400..=499, Operation::Token | Operation::TokenDetails) => (Reason::Credentials, Retry::Never),
            (400, _) => (Reason::BadRequest, Retry::Never),
            (401, _) => (Reason::Unauthorized, Retry::Reauthorize),
            (403, _) => (Reason::Forbidden, Retry::Never),
            (404, _) => (Reason::NotFound, Retry::Never),
            (500..=599, _) => (Reason::ServerError, Retry::BackOff),
            _ => (Reason::UnexpectedStatus, Retry::Never),
        };
        let body = body::read_error(response, bytes).await;
        let mut detail = String::new();
        if let Some(codes) = body.codes {
            self.observer.error_codes(operation, &codes.csp_error_code, &codes.module_code);
            // The answers of token operations can repeat a part of the credential: nothing of them is shown.
            let shown = matches!(operation, Operation::Invitations | Operation::Organization);
            if shown && codes.csp_error_code != wire::OTHER {
                detail = format!("the service says {}", codes.csp_error_code);
            }
        } else if body.html {
            detail.push_str("an HTML page, as a firewall or proxy sends it");
        } else if (300..=399).contains(&status) {
            detail.push_str("a redirect, which is not followed");
        }
        Failure { error: Error::new(operation, reason, detail), retry }
    }
}

fn denied(operation: Operation, why: Denied) -> Failure {
    let (reason, detail) = match why {
        Denied::Deadline => (
            Reason::Timeout,
            "the poll's deadline passed while it waited for its turn (api.requests_per_second, api.max_concurrent_requests)",
        ),
        Denied::Paused => (Reason::RateLimited, "the service asked for a pause beyond this poll's deadline"),
    };
    Failure { error: Error::new(operation, reason, detail), retry: Retry::OutOfTime }
}
