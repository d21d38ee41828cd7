//! What every request passes on its way in, and every answer on its way out.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Version};
use hyper::body::Body as _;

use super::access::Refusal;
use super::response::text;
use super::routes::{self, Handlers};
use super::server::Connection;
use super::{Access, Application};

/// Declared bodies up to this size are ignored, larger ones refused: no page takes one.
const MAX_BODY: u64 = 8 * 1024;

/// What browsers are told with every answer, unless a page says something stricter or more fitting itself.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

struct Guard {
    application: Arc<dyn Application>,
    access: Arc<Access>,
    handlers: Handlers,
}

/// Puts `pages` behind `access`, and counts what is answered.
pub(super) fn wrap(
    pages: Router,
    application: Arc<dyn Application>,
    access: Arc<Access>,
    handlers: Handlers,
) -> Router {
    let guard = Arc::new(Guard { application, access, handlers });
    // Around the whole router, not its routes: it would tell strangers by `Allow` what is there.
    Router::new().fallback_service(pages).layer(middleware::from_fn_with_state(guard, pass))
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response<Body> {
    let handler = guard.handlers.of_path(request.uri().path());
    let head = request.method() == Method::HEAD;
    let mut response = admit(&guard, request, next).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    if head {
        without_body(&mut response);
    }
    guard.application.count_request(handler, response.status().as_u16());
    response
}

async fn admit(guard: &Guard, request: Request, next: Next) -> Response<Body> {
    let peer = request.extensions().get::<Connection>().map(|connection| connection.peer.ip());
    let (configured, admitted) = guard.access.admit(request.headers(), peer).await;
    let mut response = if let Err(refusal) = admitted {
        refuse(refusal)
    } else {
        let body = announced_body(request.headers());
        let is_http2 = request.version() == Version::HTTP_2;
        let is_taken = routes::takes(request.uri().path(), request.method());
        let mut response = match body {
            // What is refused anyway is refused for its method or path.
            Announced::Large if is_taken => text(StatusCode::PAYLOAD_TOO_LARGE, "no page takes a body"),
            _ => next.run(request).await,
        };
        if body != Announced::Small && !is_http2 {
            // No page reads a body: it ends with the connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    };
    for (name, value) in configured.iter().flat_map(|config| &config.headers) {
        let headers = response.headers_mut();
        // Two policies hold both: the operator's may narrow a page's own, but not widen it by accident.
        if name == header::CONTENT_SECURITY_POLICY && headers.contains_key(name) {
            headers.append(name, value.clone());
        } else {
            headers.insert(name, value.clone());
        }
    }
    response
}

fn refuse(refusal: Refusal) -> Response<Body> {
    match refusal {
        Refusal::Misconfigured => text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Refusal::TooManyRequests => text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        Refusal::Unauthorized => {
            let mut response = text(StatusCode::UNAUTHORIZED, "Unauthorized");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
            response
        }
        Refusal::Busy => {
            let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "too many passwords to check; try again later");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

/// The body that a request's head announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// None, or so little that it is at hand already.
    Small,
    /// Of unknown length, often empty: some clients always send it so.
    Unknown,
    Large,
}

fn announced_body(headers: &HeaderMap) -> Announced {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Announced::Unknown;
    }
    match headers.get(header::CONTENT_LENGTH).map(|length| length.to_str().ok().and_then(|l| l.parse::<u64>().ok())) {
        None => Announced::Small,
        Some(Some(length)) if length <= MAX_BODY => Announced::Small,
        Some(_) => Announced::Large,
    }
}

/// The answer to HEAD: as to GET, with the length of the body that is left out.
fn without_body(response: &mut Response<Body>) {
    if let Some(length) = response.body().size_hint().exact().filter(|length| *length > 0) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    *response.body_mut() = Body::empty();
}
