//! Strings that were decoded.

use super::super::text::{Digest, Sent, digest};
use super::Span;

/// Decoded strings of one element, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    text: String,
    /// The strings with lone surrogates in their order, and a hash of each as it was sent. Hardly ever there.
    surrogates: Vec<(Span, Digest)>,
}

impl Texts {
    pub(crate) fn clear(&mut self) {
        let Self { text, surrogates } = self;
        text.clear();
        surrogates.clear();
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text at a place, with U+FFFD for each lone surrogate.
    pub(crate) fn get(&self, span: Span) -> &str {
        span.of(&self.text)
    }

    /// The same as it was sent.
    pub(crate) fn sent(&self, span: Span) -> Sent<'_> {
        let surrogates = if self.surrogates.is_empty() { None } else { self.digest_of(span) };
        Sent { text: self.get(span), surrogates }
    }

    #[cold]
    fn digest_of(&self, span: Span) -> Option<Digest> {
        let found = self.surrogates.binary_search_by_key(&span.range().start, |(place, _)| place.range().start);
        found.ok().map(|at| self.surrogates[at]).filter(|(place, _)| *place == span).map(|(_, digest)| digest)
    }

    /// Everything behind a place, unless something there cannot be told from another text.
    pub(crate) fn since(&self, start: usize) -> Option<&str> {
        let is_exact = self.surrogates.last().is_none_or(|(span, _)| span.range().start < start);
        is_exact.then(|| &self.text[start..])
    }

    /// Adds a string as it is.
    #[inline]
    pub(crate) fn push(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span::new(start, self.text.len())
    }

    /// Adds a string that may have lone surrogates, each as the three bytes that UTF-8 would have for it (WTF-8).
    pub(super) fn push_wtf8(&mut self, bytes: &[u8]) -> Span {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return self.push(text);
        }
        let start = self.text.len();
        for chunk in bytes.utf8_chunks() {
            self.text.push_str(chunk.valid());
            // The three bytes of a surrogate are each a chunk; only the first can begin a character.
            if chunk.invalid().first().is_some_and(|&byte| byte >= 0xC0) {
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let span = Span::new(start, self.text.len());
        self.surrogates.push((span, digest(bytes)));
        span
    }
}
