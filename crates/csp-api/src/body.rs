//! Reading an answer's body.

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

use super::error::{Error, Operation, Reason};
use super::fault;
use super::retry::{Failure, Retry};
use super::sink::{Sink, SinkError};
use super::wire;

/// A sink gets at most this much at once and the runtime's thread is offered to others in between, so
/// that a long list never holds it up.
const SLICE: usize = 64 * 1024;

/// Of an error body, no more is read.
const ERROR_BODY: usize = 64 * 1024;

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

/// Feeds a good answer to its sink, counting into `count`.
pub(super) async fn read<S: Sink>(
    operation: Operation,
    mut response: Response,
    limit: u64,
    count: &mut u64,
    mut sink: S,
) -> Result<S::Output, Failure> {
    let mut look = Look::new(&response);
    let too_large = || Failure {
        error: Error::new(operation, Reason::TooLarge, format!("more than {limit} bytes (api.max_response_size)")),
        retry: Retry::Never,
    };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    while let Some(chunk) = response.chunk().await.map_err(|e| fault::reading(operation, &e))? {
        look.see(&chunk);
        *count += chunk.len() as u64;
        if *count > limit {
            return Err(too_large());
        }
        for slice in chunk.chunks(SLICE) {
            sink.write(slice).map_err(|e| refused(operation, &e, &look))?;
            tokio::task::yield_now().await;
        }
    }
    sink.finish().map_err(|e| refused(operation, &e, &look))
}

fn refused(operation: Operation, error: &SinkError, look: &Look) -> Failure {
    let (reason, detail) = match error {
        SinkError::Decode(_) if look.is_html() => (Reason::Decode, "an HTML page instead of JSON".to_owned()),
        SinkError::Decode(words) => (Reason::Decode, words.clone()),
        SinkError::TooLarge(words) => (Reason::TooLarge, words.clone()),
        SinkError::Internal => (Reason::Internal, error.to_string()),
    };
    Failure { error: Error::new(operation, reason, detail), retry: Retry::Never }
}

/// What is kept of an error body.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    pub(super) codes: Option<wire::ErrorCodes>,
    pub(super) html: bool,
}

/// Reads an error body as far as it is of use. That it is cut or broken changes nothing: the status says enough.
pub(super) async fn read_error(mut response: Response, count: &mut u64) -> ErrorBody {
    let mut look = Look::new(&response);
    let mut bytes = Vec::new();
    while bytes.len() < ERROR_BODY {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        look.see(&chunk);
        *count += chunk.len() as u64;
        bytes.extend_from_slice(&chunk[..chunk.len().min(ERROR_BODY - bytes.len())]);
    }
    ErrorBody { codes: wire::error_codes(&bytes), html: look.is_html() }
}
