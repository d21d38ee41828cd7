//! Where the bytes of an answer go.

use http::{HeaderMap, StatusCode, Version};
use zeroize::Zeroizing;

/// What stands before an answer's body, as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// What was spoken.
    pub version: Version,
    /// The status, one of success.
    pub status: StatusCode,
    /// The headers. Their values can be secrets of a proxy or cookies: don't show what you don't know.
    pub headers: &'a HeaderMap,
}

/// Receives an answer's body piece by piece, so that no list is ever held whole.
///
/// Each attempt gets a fresh sink: what a cut answer left behind is never mixed with the next one.
pub trait Sink: Send + 'static {
    /// What a whole body turns into.
    type Output: Send;

    /// Hears of the answer's head, before the first piece. Most sinks don't care.
    fn begin(&mut self, _head: &Head<'_>) {}

    /// Takes the next piece, at most 64 KiB: where the body is read, or of a long one on a thread for such work.
    ///
    /// # Errors
    /// When the body cannot become an output any more; the rest is then not read.
    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError>;

    /// Ends the body. Called only when the body arrived whole.
    ///
    /// # Errors
    /// When what arrived is not what was promised.
    fn finish(self) -> Result<Self::Output, SinkError>;
}

/// Why a [`Sink`] refuses a body. The words are shown and logged: they must hold nothing of the body's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Not the promised JSON.
    #[error("{0}")]
    Decode(String),
    /// More than the sink keeps.
    #[error("{0}")]
    TooLarge(String),
}

/// A short answer, gathered and then parsed. It may hold an access token, so nothing of it is left behind.
pub(super) struct Gather<T> {
    bytes: Zeroizing<Vec<u8>>,
    parse: fn(&[u8]) -> Result<T, SinkError>,
}

impl<T> Gather<T> {
    /// Answers that are gathered are small; a larger one is not what was asked for.
    const LIMIT: usize = 1024 * 1024;
    /// More than a real answer has: what has to grow leaves behind what it had.
    const EXPECTED: usize = 16 * 1024;

    pub(super) fn new(parse: fn(&[u8]) -> Result<T, SinkError>) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(Self::EXPECTED)), parse }
    }
}

impl<T: Send + 'static> Sink for Gather<T> {
    type Output = T;

    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        if self.bytes.len() + chunk.len() > Self::LIMIT {
            return Err(SinkError::TooLarge("the answer is larger than 1 MiB".to_owned()));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(self) -> Result<T, SinkError> {
        (self.parse)(&self.bytes)
    }
}
