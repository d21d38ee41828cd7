//! Which path is answered by what.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::HeaderMap;
use http::{Method, Response, StatusCode};

use super::in_flight::InFlight;
use super::reload::Reloads;
use super::response::text;
use super::scrape::Scrapes;
use super::server::Connection;
use super::{Application, Limits, Page, TelemetryPath};

const HEALTH: [&str; 3] = ["/healthz", "/-/healthy", "/livez"];
const READY: [&str; 2] = ["/readyz", "/-/ready"];
const RELOAD: &str = "/-/reload";

/// Whether `path` belongs to a page that is always there.
pub(super) fn is_reserved(path: &str) -> bool {
    HEALTH.contains(&path) || READY.contains(&path) || path == RELOAD
}

/// Which name each path is counted under.
#[derive(Debug, Default)]
pub(super) struct Handlers(Vec<(String, &'static str)>);

impl Handlers {
    /// Those of a server with every page; by default there is nothing but the health pages.
    pub(super) fn of(telemetry_path: &TelemetryPath, pages: &[Page]) -> Self {
        let own = [(telemetry_path.as_str().to_owned(), "metrics"), (RELOAD.to_owned(), "reload")];
        Self(own.into_iter().chain(pages.iter().map(|page| (page.path.to_owned(), page.handler))).collect())
    }

    /// The name of a request to `path`; `other` for what is not there, so that the values are closed.
    pub(super) fn of_path(&self, path: &str) -> &'static str {
        if HEALTH.contains(&path) {
            "health"
        } else if READY.contains(&path) {
            "ready"
        } else {
            self.0.iter().find(|(known, _)| known == path).map_or("other", |(_, handler)| handler)
        }
    }
}

/// Whether a page at `path` could take this method.
pub(super) fn takes(path: &str, method: &Method) -> bool {
    if path == RELOAD { method == Method::POST } else { [Method::GET, Method::HEAD].contains(method) }
}

/// Every page.
pub(super) fn pages(
    application: &Arc<dyn Application>,
    telemetry_path: &TelemetryPath,
    max_requests: usize,
    limits: Limits,
    pages: Vec<Page>,
) -> Router {
    let scrapes = Scrapes::new(Arc::clone(application), InFlight::new("scrapes", max_requests, limits.stall));
    let metrics =
        get(move |Extension(connection), headers: HeaderMap| async move { scrapes.answer(connection, &headers).await });
    let reloads = Reloads::new(Arc::clone(application));
    let reload = post(move |headers: HeaderMap| async move { reloads.answer(&headers).await });
    let own = health_pages(application).route(RELOAD, reload).route(telemetry_path.as_str(), metrics);
    let in_flight = InFlight::new("pages", limits.pages, limits.stall);
    let deliver = middleware::from_fn_with_state(in_flight, deliver);
    let pages = pages
        .into_iter()
        .fold(own, |router, Page { path, route, .. }| router.route(path, route.route_layer(deliver.clone())));
    finish(pages)
}

/// Answers with a page of the application, a limited number of them at once: each has a body of its own in memory.
async fn deliver(
    State(in_flight): State<Arc<InFlight>>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let permit = match in_flight.admit(connection) {
        Ok(permit) => permit,
        Err(refusal) => return text(StatusCode::SERVICE_UNAVAILABLE, refusal),
    };
    let (head, body) = next.run(request).await.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the page failed: a fault in the exporter itself");
    };
    permit.ready(&std::iter::once(body.clone()).collect());
    let mut response = Response::from_parts(head, Body::from(body));
    response.extensions_mut().insert(permit);
    response
}

/// The health pages alone.
pub(super) fn probes(application: &Arc<dyn Application>) -> Router {
    finish(health_pages(application))
}

fn health_pages(application: &Arc<dyn Application>) -> Router {
    let mut router = Router::new();
    for path in HEALTH {
        router = router.route(path, get(health));
    }
    for path in READY {
        router = router.route(path, get(ready));
    }
    router.with_state(Arc::clone(application))
}

fn finish(router: Router) -> Router {
    router.method_not_allowed_fallback(method_not_allowed).fallback(not_found)
}

async fn health(State(application): State<Arc<dyn Application>>) -> Response<Body> {
    answer(application.health())
}

async fn ready(State(application): State<Arc<dyn Application>>) -> Response<Body> {
    answer(application.ready())
}

fn answer(outcome: Result<(), String>) -> Response<Body> {
    match outcome {
        Ok(()) => text(StatusCode::OK, "ok"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

/// The router adds `Allow`.
async fn method_not_allowed() -> Response<Body> {
    text(StatusCode::METHOD_NOT_ALLOWED, "this page does not take this method; see the header Allow")
}

async fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "there is no such page")
}
