//! Scrapes: how many at once, and off the async threads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::{JoinError, JoinHandle};

use super::Application;
use super::in_flight::{InFlight, Permit};
use super::response::text;
use super::server::Connection;
use crate::exposition::{self, Part, Scrape};

/// Answers scrapes, a limited number of them at once.
#[derive(Clone)]
pub(super) struct Scrapes {
    application: Arc<dyn Application>,
    in_flight: Arc<InFlight>,
}

impl Scrapes {
    pub(super) fn new(application: Arc<dyn Application>, in_flight: Arc<InFlight>) -> Self {
        Self { application, in_flight }
    }

    /// The answer to one scrape. Its place is free again once the body was written, or the client went away.
    pub(super) async fn answer(self, connection: Connection, headers: &HeaderMap) -> Response<Body> {
        let Self { application, in_flight } = self;
        let permit = match in_flight.admit(connection) {
            Ok(permit) => permit,
            Err(refusal) => return text(StatusCode::SERVICE_UNAVAILABLE, refusal),
        };
        let accept = joined(headers, &ACCEPT);
        let accept_encoding = joined(headers, &ACCEPT_ENCODING);
        if let Some(cached) = application.cached_scrape(accept.as_deref(), accept_encoding.as_deref()) {
            return answer(cached, permit);
        }
        // Encoding a large snapshot is work for the CPU, and would hold up every other connection of the thread.
        // The place goes along: without a client the work still goes on.
        let scrape = tokio::task::spawn_blocking(move || {
            let scrape = application.scrape(accept.as_deref(), accept_encoding.as_deref());
            (scrape, permit)
        });
        match scrape.await {
            Ok((scrape, permit)) => answer(scrape, permit),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the scrape failed: a fault in the exporter itself"),
        }
    }
}

fn answer(scrape: Scrape, permit: Permit) -> Response<Body> {
    let Scrape { content_type, content_encoding, body } = scrape;
    let Ok(content_type) = HeaderValue::try_from(content_type) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the scrape failed: a fault in the exporter itself");
    };
    permit.ready(&body);
    let mut response = Response::new(Body::new(Writing::new(body).map_err(axum::Error::new)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(encoding) = content_encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    // What is attached to an answer ends when its last byte was written.
    response.extensions_mut().insert(permit);
    response
}

/// The values of a header that may be repeated, as one list (RFC 9110, 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A body as it is written, part by part.
struct Writing {
    parts: std::vec::IntoIter<Part>,
    /// The part that is being made.
    making: Option<JoinHandle<Bytes>>,
    /// Bytes that are still to come.
    left: u64,
}

impl Writing {
    fn new(body: exposition::Body) -> Self {
        let left = body.parts().iter().map(|part| part.length() as u64).sum();
        Self { parts: body.into_iter(), making: None, left }
    }
}

impl HttpBody for Writing {
    type Data = Bytes;
    type Error = JoinError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, JoinError>>> {
        loop {
            let bytes = if let Some(making) = &mut self.making {
                let made = ready!(Pin::new(making).poll(context));
                self.making = None;
                made?
            } else {
                match self.parts.next() {
                    None => return Poll::Ready(None),
                    Some(Part::Made(bytes)) => bytes,
                    Some(part) => {
                        self.making = Some(tokio::task::spawn_blocking(move || part.make()));
                        continue;
                    }
                }
            };
            self.left = self.left.saturating_sub(bytes.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
