//! Strings: found, checked and decoded.

use super::scan::unescape;
use super::{Cursor, Lenient, Span, Stop};

/// A string as it stands in the text, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

impl Cursor<'_> {
    /// A string, decoded to the end of `out`; anything else is passed over.
    pub(in super::super) fn string(&mut self, out: &mut String) -> Result<Lenient<Span>, Stop> {
        match self.peek()? {
            b'"' => {
                let raw = self.raw_string()?;
                let text = &self.text[raw.start..raw.end];
                let start = out.len();
                if raw.escaped {
                    unescape(text, out);
                } else {
                    out.push_str(text);
                }
                Ok(Lenient::Set(Span::new(start, out.len())))
            }
            b'n' => self.skip().map(|()| Lenient::NotSet),
            _ => self.skip().map(|()| Lenient::Malformed),
        }
    }

    /// Passes over a string. Escapes are checked here, once.
    #[inline]
    pub(super) fn raw_string(&mut self) -> Result<Raw, Stop> {
        self.expect(b'"')?;
        let start = self.at;
        self.at = self.marks.next(start);
        if self.byte() == Ok(b'"') {
            let end = self.at;
            self.at += 1;
            return Ok(Raw { start, end, escaped: false });
        }
        self.raw_string_with_escapes(start)
    }

    #[cold]
    fn raw_string_with_escapes(&mut self, start: usize) -> Result<Raw, Stop> {
        loop {
            match self.byte()? {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(Raw { start, end, escaped: true });
                }
                b'\\' => self.skip_escape()?,
                _ => return Err(Stop::Malformed),
            }
            self.at = self.marks.next(self.at);
        }
    }

    fn skip_escape(&mut self) -> Result<(), Stop> {
        self.at += 1;
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            b'u' => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.byte()?.is_ascii_hexdigit() {
                        return Err(Stop::Malformed);
                    }
                }
            }
            _ => return Err(Stop::Malformed),
        }
        self.at += 1;
        Ok(())
    }
}
