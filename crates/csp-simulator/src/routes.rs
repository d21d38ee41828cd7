//! The simulated API's paths, and what all of its answers have in common.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::dice::Dice;
use super::refusals::Refusal;
use super::requests::UnderWay;
use super::service::Service;
use super::{auth, organizations};

/// Every path of the simulated API.
pub(super) fn router(service: Arc<Service>) -> Router {
    // Not nested: handlers then see the whole path.
    let at = |path| format!("/csp/gateway/am/api{path}");
    let answered = Arc::new(AtomicU64::new(0));
    Router::new()
        .route(&at("/auth/api-tokens/authorize"), post(auth::exchange_api_token))
        .route(&at("/auth/api-tokens/details"), post(auth::details))
        .route(&at("/auth/token"), post(auth::exchange_client_credentials))
        .route(&at("/auth/authorize"), post(auth::exchange_client_credentials))
        .route(&at("/orgs/{id}"), get(organizations::organization))
        .route(&at("/orgs/{id}/groups"), get(organizations::groups))
        .route(&at("/orgs/{id}/invitations"), get(organizations::invitations))
        .route(&at("/orgs/{id}/invitations/{invitation}"), get(organizations::invitation))
        .route(&at("/v2/loggedin/user/orgs"), get(organizations::user_organizations))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state((Arc::clone(&service), answered), common))
        .with_state(service)
}

async fn unknown_path(State(service): State<Arc<Service>>, request: Request) -> Refusal {
    let (parts, _) = request.into_parts();
    let entered = service.enter("other", None, &parts).await;
    entered.err().unwrap_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "There is no such path."))
}

async fn unknown_method(State(service): State<Arc<Service>>, request: Request) -> Refusal {
    let (parts, _) = request.into_parts();
    let entered = service.enter("other", None, &parts).await;
    entered.err().unwrap_or_else(|| Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "The method is not supported."))
}

/// Gives each answer its request id and the body of an error, and counts it until its body has been sent.
async fn common(
    State((service, answered)): State<(Arc<Service>, Arc<AtomicU64>)>,
    request: Request,
    next: Next,
) -> Response {
    let under_way = service.recorder.begin();
    let number = answered.fetch_add(1, Ordering::Relaxed);
    let request_id = Dice::new(&[service.options.seed, u64::MAX - 1, number]).guid();
    let response = next.run(request).await;
    let mut response = Refusal::complete(response, &request_id, number);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("csp-request-id", value);
    }
    response.map(|body| Body::new(Counted { body, _under_way: under_way }))
}

/// A body that counts as under way until it is dropped.
struct Counted {
    body: Body,
    _under_way: UnderWay,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        hyper::body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        hyper::body::Body::size_hint(&self.body)
    }
}
