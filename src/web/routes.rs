//! Which path is answered by what.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::HeaderMap;
use http::{Method, Response, StatusCode};

use super::deliveries::Deliveries;
use super::response::text;
use super::scrape::Scrapes;
use super::{Exporter, Settings, TelemetryPath, status};

const HEALTH: [&str; 3] = ["/healthz", "/-/healthy", "/livez"];
const READY: [&str; 2] = ["/readyz", "/-/ready"];
const RELOAD: &str = "/-/reload";
const STATUS: &str = "/";
const API: &str = "/api/v1/status";

/// Whether `path` belongs to a page that is always there.
pub(super) fn is_reserved(path: &str) -> bool {
    HEALTH.contains(&path) || READY.contains(&path) || [RELOAD, STATUS, API, status::STYLE_PATH].contains(&path)
}

/// The label `handler` of a request to `path`; `other` for what is not there, so that the values are closed. Without a
/// telemetry path there is nothing but the health pages.
pub(super) fn handler(path: &str, telemetry_path: Option<&TelemetryPath>) -> &'static str {
    match path {
        path if HEALTH.contains(&path) => "health",
        path if READY.contains(&path) => "ready",
        _ if telemetry_path.is_none() => "other",
        path if telemetry_path.is_some_and(|telemetry| telemetry.as_str() == path) => "metrics",
        RELOAD => "reload",
        STATUS => "status",
        API => "api",
        status::STYLE_PATH => "style",
        _ => "other",
    }
}

/// Whether a page at `path` could take this method.
pub(super) fn takes(path: &str, method: &Method) -> bool {
    if path == RELOAD { method == Method::POST } else { [Method::GET, Method::HEAD].contains(method) }
}

/// Every page.
pub(super) fn pages(exporter: &Arc<dyn Exporter>, settings: &Settings) -> Router {
    let Settings { telemetry_path, max_requests, limits } = settings;
    let scrapes = Scrapes::new(Arc::clone(exporter), Deliveries::new(*max_requests, limits.stall));
    let metrics =
        get(move |Extension(connection), headers: HeaderMap| async move { scrapes.answer(connection, &headers).await });
    let page =
        status::Page::new(Arc::clone(exporter), telemetry_path.clone(), Deliveries::new(limits.pages, limits.stall));
    let api = page.clone();
    let rest = Router::new()
        .route(RELOAD, post(reload))
        .route(STATUS, get(move |Extension(connection), query| page.html(connection, query)))
        .route(API, get(move |Extension(connection), query| api.json(connection, query)))
        .route(status::STYLE_PATH, get(status::style))
        .with_state(Arc::clone(exporter));
    finish(health_pages(exporter).merge(rest).route(telemetry_path.as_str(), metrics))
}

/// The health pages alone.
pub(super) fn probes(exporter: &Arc<dyn Exporter>) -> Router {
    finish(health_pages(exporter))
}

fn health_pages(exporter: &Arc<dyn Exporter>) -> Router {
    let mut router = Router::new();
    for path in HEALTH {
        router = router.route(path, get(health));
    }
    for path in READY {
        router = router.route(path, get(ready));
    }
    router.with_state(Arc::clone(exporter))
}

fn finish(router: Router) -> Router {
    router.method_not_allowed_fallback(method_not_allowed).fallback(not_found)
}

async fn health(State(exporter): State<Arc<dyn Exporter>>) -> Response<Body> {
    verdict(exporter.health())
}

async fn ready(State(exporter): State<Arc<dyn Exporter>>) -> Response<Body> {
    verdict(exporter.ready())
}

fn verdict(verdict: Result<(), String>) -> Response<Body> {
    match verdict {
        Ok(()) => text(StatusCode::OK, "ok"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

async fn reload(State(exporter): State<Arc<dyn Exporter>>, headers: HeaderMap) -> Response<Body> {
    // A browser that knows the password would send it along with another site's form, too.
    let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return text(StatusCode::FORBIDDEN, "another site may not reload the configuration");
    }
    // In a task of its own, so that a client that goes away does not cut the transaction.
    match tokio::spawn(async move { exporter.reload().await }).await {
        Ok(Ok(())) => text(StatusCode::OK, "the configuration was reloaded"),
        Ok(Err(reason)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("nothing was changed:\n{reason}")),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed: a fault in the exporter itself"),
    }
}

/// The router adds `Allow`.
async fn method_not_allowed() -> Response<Body> {
    text(StatusCode::METHOD_NOT_ALLOWED, "this page does not take this method; see the header Allow")
}

async fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "there is no such page")
}
