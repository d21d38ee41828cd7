//! One attempt: admitted, sent, read, and reported whatever happens.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Request, Response, StatusCode};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::body;
use super::budget::{Budget, Denied, Host};
use super::deadline::Deadline;
use super::error::{Error, Operation, Reason};
use super::fault::{Fault, is_refusal, proxy_wants_password};
use super::head::{asked_pause, too_much};
use super::http_client::{Generation, HttpClient};
use super::observer::Observer;
use super::retry::{Attempts, CallError, Failure, Retry, heed};
use super::rotation::Secrets;
use super::sink::Sink;
use super::{tunnel, wire};

/// Sends requests within the limits that all organizations share.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) http_client: Arc<HttpClient>,
    pub(super) budget: Arc<Budget>,
    pub(super) secrets: Arc<Secrets>,
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
    ///
    /// # Errors
    /// While the service wants to be left alone about `subject`: nothing is sent.
    pub(super) fn attempts<'a>(
        &'a self,
        host: &'a Host,
        subject: String,
        operation: Operation,
        deadline: &'a Deadline,
    ) -> Result<Attempts<'a>, CallError> {
        Attempts::new(host, subject, &*self.observer, operation, deadline, self.max_attempts)
    }

    /// Waits until the service may be asked about `subject`.
    ///
    /// # Errors
    /// When that is beyond the deadline.
    pub(super) async fn heed(
        &self,
        host: &Host,
        subject: &str,
        operation: Operation,
        deadline: &Deadline,
    ) -> Result<(), CallError> {
        heed(host, subject, &*self.observer, operation, deadline).await
    }

    /// Makes one attempt. `build` runs when the request may start: it can still find that its token has run out.
    /// `sink` runs when a good answer begins.
    pub(super) async fn attempt<S: Sink>(
        &self,
        host: &Arc<Host>,
        operation: Operation,
        deadline: &Deadline,
        build: impl FnOnce(&reqwest::Client) -> Result<Request, Failure> + Send,
        sink: impl FnOnce() -> S + Send,
    ) -> Result<S::Output, Failure> {
        let turn = host.turn(deadline, &*self.observer).await;
        let (_turn, deadline) = turn.map_err(|why| denied(operation, why))?;
        let generation = self.http_client.newest();
        let request = build(&generation.http)?;
        let start = Instant::now();
        let limit = deadline.min(start + self.timeout);
        let mut progress = Progress::default();
        self.observer.request(operation);
        // On the heap, and only now: of ten thousand that wait for their turn, none carries what a request takes.
        let result = Box::pin(self.send(operation, &generation, request, limit, &mut progress, sink)).await;
        let took = start.elapsed();
        let Progress { status, request_id, bytes } = progress;
        tracing::debug!(%operation, status, bytes, ?took, request_id, "attempt ended");
        self.observer.duration(operation, took, request_id.as_deref());
        self.observer.bytes(operation, bytes);
        let result = result.unwrap_or_else(|_| {
            let part = if status.is_some() { "the whole body" } else { "an answer" };
            let detail = if limit == deadline {
                format!("the poll's deadline passed before {part} came")
            } else {
                format!("{part} did not come within {:?} (api.timeout)", self.timeout)
            };
            Err(Failure { error: Error::new(operation, Reason::Timeout, detail), retry: Retry::BackOff })
        });
        result.map_err(|mut failure| {
            if failure.error.reason.retires_connections() {
                self.http_client.retire(&generation);
            }
            self.observer.failure(operation, failure.error.reason);
            failure.error.status = status.or(failure.error.status);
            failure.error.request_id = request_id;
            failure
        })
    }

    /// Sends the request and reads the answer; fails when either is not over at `limit`. A refusal is none of that, even when
    /// its body does not come: its status has said what there is to say.
    async fn send<S: Sink>(
        &self,
        operation: Operation,
        generation: &Generation,
        request: Request,
        limit: Instant,
        progress: &mut Progress,
        sink: impl FnOnce() -> S + Send,
    ) -> Result<Result<S::Output, Failure>, Elapsed> {
        let Generation { http, settings, .. } = generation;
        let url = request.url().clone();
        let proxy = settings.proxies.of(&url);
        let response = match timeout_at(limit, http.execute(request)).await? {
            Ok(response) => response,
            Err(error) => {
                let refusal = match proxy {
                    Some(proxy) if is_refusal(&error) => {
                        timeout_at(limit, tunnel::refusal(http, &settings.tls, proxy, &url)).await.unwrap_or(None)
                    }
                    _ => None,
                };
                let fault = Fault { operation, proxy, connect_timeout: self.connect_timeout };
                return Ok(Err(fault.sending(&error, refusal)));
            }
        };
        let status = response.status();
        self.observer.response(operation, status.as_u16());
        progress.status = Some(status.as_u16());
        progress.request_id = response.headers().get("csp-request-id").and_then(|id| wire::request_id(id.as_bytes()));
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Ok(Err(proxy_wants_password(operation, proxy)));
        }
        if let Some(words) = too_much(response.headers()) {
            let error = Error::new(operation, Reason::TooLarge, words).hint(super::fault::HEADERS);
            return Ok(Err(Failure { error, retry: Retry::Never }));
        }
        // A part of a list, which nobody has asked for, would count as the whole.
        if status.is_success() && status != StatusCode::PARTIAL_CONTENT {
            let read = body::read(operation, response, self.max_response_size, &mut progress.bytes, sink());
            return timeout_at(limit, read).await;
        }
        Ok(Err(self.refusal(operation, response, limit, &mut progress.bytes).await))
    }

    /// What a status other than 2xx means.
    async fn refusal(&self, operation: Operation, response: Response, limit: Instant, bytes: &mut u64) -> Failure {
        let status = response.status().as_u16();
        let asked = asked_pause(response.headers());
        let (reason, retry) = match (status, operation) {
            (429, _) => (Reason::RateLimited, Retry::SlowDown(asked)),
            (400..=499, Operation::Token | Operation::TokenDetails) => (Reason::Credentials, Retry::Never),
            (400, _) => (Reason::BadRequest, Retry::Never),
            (401, _) => (Reason::Unauthorized, Retry::Reauthorize),
            (403, _) => (Reason::Forbidden, Retry::Never),
            (404, _) => (Reason::NotFound, Retry::Never),
            (503, _) if asked.is_some() => (Reason::ServerError, Retry::SlowDown(asked)),
            (500..=599, _) => (Reason::ServerError, Retry::BackOff),
            _ => (Reason::UnexpectedStatus, Retry::Never),
        };
        let body = body::read_error(response, limit, bytes).await;
        let mut detail = String::new();
        let mut hint = match (status, operation) {
            (404 | 405 | 410, Operation::Token | Operation::TokenDetails) => Some(
                "check api.url and, for an OAuth app, api.token_path: the service may also answer so when it does not know the \
                 API token",
            ),
            _ => None,
        };
        if let Some(codes) = body.codes {
            self.observer.error_codes(operation, &codes.csp_error_code, &codes.module_code);
            // The answers of token operations can repeat a part of the credential: nothing of them is shown.
            let shown = matches!(operation, Operation::Invitations | Operation::Organization);
            if shown && codes.csp_error_code != wire::OTHER {
                detail = format!("the service says {}", codes.csp_error_code);
            }
        } else if body.html {
            detail.push_str("an HTML page, as a firewall or proxy sends it");
            hint = Some(
                "ask for the URL by hand and look at what answers there: usually a firewall or a proxy, not the service",
            );
        } else if status == 206 {
            detail.push_str("a part of an answer, though the whole was asked for");
            hint = Some("look at what caches or repacks answers on the way");
        } else if status == 304 {
            detail.push_str("an answer for a cache, which the exporter is not");
            hint = Some("look at what caches answers on the way");
        } else if matches!(status, 301 | 302 | 303 | 307 | 308) {
            detail.push_str("a redirect, which is not followed");
            hint = Some("set api.url to where the service is; a login page or portal on the way redirects, too");
        }
        let error = Error::new(operation, reason, detail);
        Failure { error: if let Some(hint) = hint { error.hint(hint) } else { error }, retry }
    }
}

fn denied(operation: Operation, why: Denied) -> Failure {
    let (reason, detail, hint) = match why {
        Denied::Deadline => (
            Reason::Timeout,
            "the poll's deadline passed while it waited for its turn (api.requests_per_second, api.max_concurrent_requests)",
            "raise poll.interval, api.requests_per_second or api.max_concurrent_requests, or share the organizations out (--shard)",
        ),
        Denied::Paused => (
            Reason::RateLimited,
            "the service asked for a pause beyond this poll's deadline",
            "wait; raise poll.interval if it lasts, and look for other clients that share the limit",
        ),
    };
    Failure { error: Error::new(operation, reason, detail).hint(hint), retry: Retry::OutOfTime }
}
