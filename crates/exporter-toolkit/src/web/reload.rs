//! Reloads that are asked for over HTTP: one under way, one that waits, and never more.
//!
//! **Who waits for whom?** Who asks waits for the reload that waits, and that for the one under way, as long as the
//! application takes; the connection's limit of a request ends the wait of a client, not the reload.

use std::sync::Arc;

use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::header::HeaderMap;
use http::{HeaderValue, Response, StatusCode};
use parking_lot::Mutex;

use super::Application;
use super::response::text;

/// How a reload ended; `None` when it panicked.
type Outcome = Option<Result<(), String>>;

/// Answers requests for reloads.
///
/// Whoever asks while a reload waits for its turn gets the outcome of that one: it begins later, so it reads what
/// has been written until now. A flood of requests would otherwise go on reloading long after its clients have left.
#[derive(Clone)]
pub(super) struct Reloads {
    application: Arc<dyn Application>,
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Arc<Mutex<Option<Shared<BoxFuture<'static, Outcome>>>>>,
}

impl Reloads {
    pub(super) fn new(application: Arc<dyn Application>) -> Self {
        Self { application, turn: Arc::default(), waiting: Arc::default() }
    }

    /// The answer to one request.
    pub(super) async fn answer(self, headers: &HeaderMap) -> Response<Body> {
        // A browser that knows the password would send it along with another site's form, too.
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
            return text(StatusCode::FORBIDDEN, "another site may not reload the configuration");
        }
        let reload = self.waiting.lock().get_or_insert_with(|| self.begin()).clone();
        match reload.await {
            Some(Ok(())) => text(StatusCode::OK, "the configuration was reloaded"),
            Some(Err(reason)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("nothing was changed:\n{reason}")),
            None => text(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed: a fault in the exporter itself"),
        }
    }

    /// A reload in a task of its own, so that a client that goes away does not cut the transaction.
    fn begin(&self) -> Shared<BoxFuture<'static, Outcome>> {
        let Self { application, turn, waiting } = self.clone();
        let reload = tokio::spawn(async move {
            let _turn = turn.lock().await;
            // From here on a request comes too late for this one.
            *waiting.lock() = None;
            application.reload().await
        });
        reload.map(Result::ok).boxed().shared()
    }
}
