//! Reading an answer's body.

mod feed;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_compression::tokio::bufread::GzipDecoder;
use bytes::BufMut as _;
use futures_util::TryStreamExt as _;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::StreamReader;

pub use self::feed::BODY_THREADS;
use self::feed::{Feed, PIECE};
use super::error::{Error, Operation, Reason};
use super::fault;
use super::head::{Coding, coding};
use super::retry::{Failure, Retry};
use super::sink::{Head, Sink, SinkError};
use super::wire;

/// Of an error body, no more is read.
const ERROR_BODY: usize = 64 * 1024;

/// For an error body, nobody waits longer.
const ERROR_PATIENCE: Duration = Duration::from_secs(2);

/// What a body that is not JSON looks like: the firewall in front of the service answers with pages.
#[derive(Debug, Default)]
struct Look {
    declared_html: bool,
    first: Option<u8>,
}

impl Look {
    fn new(response: &Response) -> Self {
        let kind = response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
        Self { declared_html: kind.is_some_and(|kind| kind.starts_with(b"text/html")), first: None }
    }

    fn see(&mut self, chunk: &[u8]) {
        self.first = self.first.or_else(|| {
            let text = chunk.strip_prefix(b"\xef\xbb\xbf").unwrap_or(chunk);
            text.iter().copied().find(|b| !b.is_ascii_whitespace())
        });
    }

    fn is_html(&self) -> bool {
        self.declared_html || self.first == Some(b'<')
    }
}

type Unpacked = Pin<Box<dyn AsyncRead + Send>>;

/// The body as it was before it was packed; `came` counts what comes. A packed one may have several members, as
/// `cat a.gz b.gz` makes them.
fn unpacked(response: Response, coding: Coding, came: &Arc<AtomicU64>) -> Unpacked {
    let came = Arc::clone(came);
    let pieces = response.bytes_stream().inspect_ok(move |piece| {
        came.fetch_add(piece.len() as u64, Relaxed);
    });
    let packed = StreamReader::new(pieces.map_err(io::Error::other));
    match coding {
        Coding::Identity => Box::pin(packed),
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(packed);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    }
}

/// Feeds a good answer to its sink, counting into `count`.
pub(super) async fn read<S: Sink>(
    operation: Operation,
    response: Response,
    limit: u64,
    count: &mut u64,
    mut sink: S,
) -> Result<S::Output, Failure> {
    let mut look = Look::new(&response);
    let too_large = || {
        let error = Error::new(operation, Reason::TooLarge, format!("more than {limit} bytes (api.max_response_size)"));
        let hint = "raise api.max_response_size if the organization is really this large";
        Failure { error: error.hint(hint), retry: Retry::Never }
    };
    let coding = coding(response.headers()).map_err(|words| {
        let hint =
            "look for what repacks answers on the way, usually a proxy or firewall, and let it keep to Accept-Encoding";
        Failure { error: Error::new(operation, Reason::Decode, words).hint(hint), retry: Retry::Never }
    })?;
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let came = Arc::default();
    sink.begin(&Head { version: response.version(), status: response.status(), headers: response.headers() });
    let mut body = unpacked(response, coding, &came);
    let (mut feed, mut piece) = (Feed::Here(sink), Feed::<S>::room());
    let end = loop {
        let reading = feed.meanwhile(body.read_buf(&mut (&mut piece).limit(PIECE))).await;
        match reading.map_err(|e| refused(operation, &e, &look))? {
            Ok(0) => break Ok(()),
            Ok(length) => *count += length as u64,
            Err(error) => break Err(fault::reading(operation, &error)),
        }
        if *count > limit {
            break Err(too_large());
        }
        look.see(&piece);
        (feed, piece) = feed.write(piece, *count).await.map_err(|e| refused(operation, &e, &look))?;
        tokio::task::yield_now().await;
    };
    // What the sink says of what has come goes before what became of the rest.
    let sink = feed.done().await.map_err(|e| refused(operation, &e, &look))?;
    end?;
    // An HTTP/2 stream that is reset with `NO_ERROR` or `CANCEL` has ended, to the library.
    if announced.is_some_and(|length| came.load(Relaxed) < length) {
        return Err(fault::cut(operation));
    }
    sink.finish().map_err(|e| refused(operation, &e, &look))
}

fn refused(operation: Operation, error: &SinkError, look: &Look) -> Failure {
    let (reason, detail) = match error {
        SinkError::Decode(_) if look.is_html() => (Reason::Decode, "an HTML page instead of JSON".to_owned()),
        SinkError::Decode(words) => (Reason::Decode, words.clone()),
        SinkError::TooLarge(words) => (Reason::TooLarge, words.clone()),
    };
    Failure { error: Error::new(operation, reason, detail), retry: Retry::Never }
}

/// What is kept of an error body.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    pub(super) codes: Option<wire::ErrorCodes>,
    pub(super) html: bool,
}

/// Reads an error body as far as it is of use. That it is cut, broken or does not come changes nothing: the status says
/// enough.
pub(super) async fn read_error(response: Response, limit: Instant, count: &mut u64) -> ErrorBody {
    let mut look = Look::new(&response);
    let mut bytes = Vec::new();
    if let Ok(coding) = coding(response.headers()) {
        let limit = limit.min(Instant::now() + ERROR_PATIENCE);
        // What was read before it broke is kept.
        let _ = timeout_at(
            limit,
            unpacked(response, coding, &Arc::default()).take(ERROR_BODY as u64).read_to_end(&mut bytes),
        )
        .await;
    }
    look.see(&bytes);
    *count += bytes.len() as u64;
    ErrorBody { codes: wire::error_codes(&bytes), html: look.is_html() }
}
