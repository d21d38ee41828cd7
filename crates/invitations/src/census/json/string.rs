//! Strings: found here, checked and decoded by `serde_json` where they have escapes.

use std::fmt;

use serde::de::{Deserializer as _, Error, IgnoredAny, Visitor};

use super::{Cursor, Lenient, Span, Stop, Texts};

/// Where a string stands in the text, with its quotes.
///
/// Places and not the text itself: most strings are passed over, and a slice of a text checks that it begins and ends
/// between two characters, whether it is used or not. That alone made the whole census slower by a fifth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    start: usize,
    end: usize,
    /// Whether there are escapes, which nobody has looked at yet.
    escaped: bool,
}

impl Raw {
    /// The string without its quotes, where it stands in `text` as it is.
    #[inline]
    pub(super) fn plain(self, text: &str) -> Option<&str> {
        (!self.escaped).then(|| &text[self.start + 1..self.end - 1])
    }

    /// Adds the string in `text` to `texts`.
    #[inline]
    pub(super) fn decode(self, text: &str, texts: &mut Texts) -> Result<Span, Stop> {
        match self.plain(text) {
            Some(plain) => Ok(texts.push(plain)),
            None => self.decode_escapes(text, texts),
        }
    }

    /// Asks for bytes, because of lone surrogates: as a text, `serde_json` refuses them.
    #[cold]
    fn decode_escapes(self, text: &str, texts: &mut Texts) -> Result<Span, Stop> {
        let mut reader = serde_json::Deserializer::from_str(&text[self.start..self.end]);
        reader.deserialize_bytes(Decoded(texts)).map_err(|_| Stop::Malformed)
    }

    #[cold]
    fn check_escapes(self, text: &str) -> Result<(), Stop> {
        serde_json::from_str(&text[self.start..self.end]).map(|IgnoredAny| ()).map_err(|_| Stop::Malformed)
    }
}

/// Where a decoded string goes.
struct Decoded<'t>(&'t mut Texts);

impl Visitor<'_> for Decoded<'_> {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Span, E> {
        Ok(self.0.push_wtf8(bytes))
    }
}

impl Cursor<'_> {
    /// A string, decoded behind those of `texts`; anything else is passed over.
    pub(crate) fn string(&mut self, texts: &mut Texts) -> Result<Lenient<Span>, Stop> {
        match self.peek()? {
            b'"' => self.raw_string()?.decode(self.text, texts).map(Lenient::Set),
            b'n' => self.skip().map(|()| Lenient::NotSet),
            _ => self.skip().map(|()| Lenient::Malformed),
        }
    }

    /// Passes over a string.
    #[inline]
    pub(super) fn skip_string(&mut self) -> Result<(), Stop> {
        let raw = self.raw_string()?;
        if raw.escaped { raw.check_escapes(self.text) } else { Ok(()) }
    }

    /// Takes a string up to its end, without a look at its escapes.
    #[inline]
    pub(super) fn raw_string(&mut self) -> Result<Raw, Stop> {
        self.expect(b'"')?;
        let start = self.at - 1;
        self.at = self.ends.next(self.at);
        let escaped = self.byte() != Ok(b'"');
        if escaped {
            self.find_end()?;
        }
        self.at += 1;
        Ok(Raw { start, end: self.at, escaped })
    }

    /// Goes on to the quote that no backslash stands before.
    #[cold]
    fn find_end(&mut self) -> Result<(), Stop> {
        loop {
            match self.byte()? {
                b'"' => return Ok(()),
                // Whatever it escapes: what stands behind it is not the end.
                b'\\' => self.at = self.ends.next(self.at + 2),
                _ => return Err(Stop::Malformed),
            }
        }
    }
}
