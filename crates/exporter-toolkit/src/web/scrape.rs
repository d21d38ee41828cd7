//! Scrapes: how many at once, off the async threads, in slices.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Exporter;
use super::response::text;
use crate::exposition::Scrape;

/// Answers scrapes, a limited number of them at once.
#[derive(Clone)]
pub(super) struct Scrapes {
    exporter: Arc<dyn Exporter>,
    /// `None` is no limit.
    places: Option<(usize, Arc<Semaphore>)>,
}

impl Scrapes {
    /// At most `max_requests` at once; 0 is no limit.
    pub(super) fn new(exporter: Arc<dyn Exporter>, max_requests: usize) -> Self {
        let places = (max_requests > 0)
            .then(|| (max_requests, Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS)))));
        Self { exporter, places }
    }

    /// The answer to one scrape. Its place is free again once the body was handed over, or the client went away.
    pub(super) async fn answer(self, headers: &HeaderMap) -> Response<Body> {
        let Self { exporter, places } = self;
        let mut place = None;
        if let Some((limit, places)) = &places {
            place = Arc::clone(places).try_acquire_owned().ok();
            if place.is_none() {
                let message = format!("limit of {limit} scrapes at once reached; try again later");
                return text(StatusCode::SERVICE_UNAVAILABLE, message);
            }
        }
        let accept = joined(headers, &ACCEPT);
        let accept_encoding = joined(headers, &ACCEPT_ENCODING);
        if let Some(kept) = exporter.kept_scrape(accept.as_deref(), accept_encoding.as_deref()) {
            return exposition(kept, place);
        }
        // Encoding a large snapshot is work for the CPU, and would hold up every other connection of the thread.
        // The place goes along: without a client the work still goes on.
        let scrape = tokio::task::spawn_blocking(move || {
            let scrape = exporter.scrape(accept.as_deref(), accept_encoding.as_deref());
            (scrape, place)
        });
        match scrape.await {
            Ok((scrape, place)) => exposition(scrape, place),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the scrape failed: a fault in the exporter itself"),
        }
    }
}

fn exposition(scrape: Scrape, place: Option<OwnedSemaphorePermit>) -> Response<Body> {
    let Scrape { content_type, content_encoding, body } = scrape;
    let Ok(content_type) = HeaderValue::try_from(content_type) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the scrape failed: a fault in the exporter itself");
    };
    let mut response = Response::new(Body::new(Slices { pieces: body, _place: place }.map_err(axum::Error::new)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(encoding) = content_encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// The values of a header that may be repeated, as one list (RFC 9110, 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A body that is handed over in slices, as the client takes it, so that the
/// scrape's place is taken until the last one is on its way.
struct Slices {
    pieces: [Bytes; 2],
    _place: Option<OwnedSemaphorePermit>,
}

/// As much as is written at once. The more, the fewer calls of the system; past this it makes no difference any more.
const SLICE: usize = 1024 * 1024;

impl HttpBody for Slices {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.pieces.iter_mut().find(|piece| !piece.is_empty());
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece.split_to(piece.len().min(SLICE))))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}
