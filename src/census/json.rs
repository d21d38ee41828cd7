//! A cursor over JSON text that can stop anywhere and say that it needs more.
//!
//! Why not `serde_json`: a list is folded while it arrives, so a value may end
//! in the next chunk; a field of the wrong type must be passed over without
//! failing its element; and nothing may be allocated per value. `serde_json`
//! gives none of the three on borrowed input. What this cursor accepts is
//! exactly what `serde_json` accepts (a property test holds the two together),
//! except that a lone surrogate in an escape becomes U+FFFD and that nesting
//! past 1024 levels is refused.

mod scan;
#[cfg(test)]
mod tests;

use scan::{Nesting, plain_prefix, unescape};

/// Why reading stopped before the end of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The text so far is fine, but the value goes on behind its end.
    Incomplete,
    /// This is not JSON.
    Malformed,
}

/// A place in a buffer of decoded strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        // An element is far shorter than 4 GiB, and with it everything decoded from it.
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: place(start), end: place(end) }
    }

    /// The text at this place.
    pub(super) fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

/// What a field of a promised type held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Lenient<T> {
    /// Absent or `null`.
    #[default]
    NotSet,
    /// The promised type.
    Set(T),
    /// Another type; counts as not set.
    Malformed,
}

/// Reads values one after the other.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space, without taking it.
    pub(super) fn peek(&mut self) -> Result<u8, Stop> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(Stop::Incomplete)
    }

    /// Takes the byte that [`Self::peek`] showed.
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Stop> {
        if self.peek()? != wanted {
            return Err(Stop::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads an object whose `{` is next; `each` gets the raw key and must take the value.
    pub(super) fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Result<(), Stop>) -> Result<(), Stop> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let (raw, escaped) = self.raw_string()?;
            self.expect(b':')?;
            if escaped {
                let mut key = String::new();
                unescape(raw, &mut key);
                each(self, &key)?;
            } else {
                each(self, raw)?;
            }
            if !self.another(b'}')? {
                return Ok(());
            }
        }
    }

    /// Reads an array whose `[` is next; `each` must take one item.
    pub(super) fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            if !self.another(b']')? {
                return Ok(());
            }
        }
    }

    /// After an item: true behind a comma, false behind the closing byte.
    fn another(&mut self, close: u8) -> Result<bool, Stop> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Ok(true),
            byte if byte == close => Ok(false),
            _ => Err(Stop::Malformed),
        }
    }

    /// A string, decoded to the end of `out`; anything else is passed over.
    pub(super) fn string(&mut self, out: &mut String) -> Result<Lenient<Span>, Stop> {
        match self.peek()? {
            b'"' => {
                let (raw, escaped) = self.raw_string()?;
                let start = out.len();
                if escaped {
                    unescape(raw, out);
                } else {
                    out.push_str(raw);
                }
                Ok(Lenient::Set(Span::new(start, out.len())))
            }
            b'n' => self.skip().map(|()| Lenient::NotSet),
            _ => self.skip().map(|()| Lenient::Malformed),
        }
    }

    /// The text of a number; anything else is passed over.
    pub(super) fn number(&mut self) -> Result<Lenient<&'a str>, Stop> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => {
                let start = self.at;
                self.skip_number()?;
                Ok(Lenient::Set(&self.text[start..self.at]))
            }
            b'n' => self.skip().map(|()| Lenient::NotSet),
            _ => self.skip().map(|()| Lenient::Malformed),
        }
    }

    /// An array, item by item; anything else is passed over. True when the type was wrong.
    pub(super) fn array_or_skip(&mut self, each: impl FnMut(&mut Self) -> Result<(), Stop>) -> Result<bool, Stop> {
        match self.peek()? {
            b'[' => self.array(each).map(|()| false),
            byte => self.skip().map(|()| byte != b'n'),
        }
    }

    /// An object, key by key; anything else is passed over. True when the type was wrong.
    pub(super) fn object_or_skip(
        &mut self,
        each: impl FnMut(&mut Self, &str) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        match self.peek()? {
            b'{' => self.object(each).map(|()| false),
            byte => self.skip().map(|()| byte != b'n'),
        }
    }

    /// Passes over one value of any type, checking its syntax.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        let mut nesting = Nesting::default();
        loop {
            let open = match self.peek()? {
                b'"' => {
                    self.raw_string()?;
                    None
                }
                b'-' | b'0'..=b'9' => {
                    self.skip_number()?;
                    None
                }
                b't' => self.literal("true").map(|()| None)?,
                b'f' => self.literal("false").map(|()| None)?,
                b'n' => self.literal("null").map(|()| None)?,
                b'{' => Some(true),
                b'[' => Some(false),
                _ => return Err(Stop::Malformed),
            };
            if let Some(object) = open {
                self.at += 1;
                let close = if object { b'}' } else { b']' };
                if self.peek()? == close {
                    self.at += 1;
                } else {
                    nesting.push(object)?;
                    if object {
                        self.key()?;
                    }
                    continue;
                }
            }
            loop {
                let Some(object) = nesting.top() else { return Ok(()) };
                if self.another(if object { b'}' } else { b']' })? {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                nesting.pop();
            }
        }
    }

    fn key(&mut self) -> Result<(), Stop> {
        self.raw_string()?;
        self.expect(b':')
    }

    fn literal(&mut self, word: &str) -> Result<(), Stop> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else if word.as_bytes().starts_with(rest) {
            Err(Stop::Incomplete)
        } else {
            Err(Stop::Malformed)
        }
    }

    fn skip_number(&mut self) -> Result<(), Stop> {
        if self.byte()? == b'-' {
            self.at += 1;
        }
        match self.byte()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return Err(Stop::Malformed),
        }
        if self.byte()? == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte()?, b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte()?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more; the byte behind them must be known, or the number may go on in the next chunk.
    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while self.byte()?.is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(Stop::Malformed) } else { Ok(()) }
    }

    fn byte(&self) -> Result<u8, Stop> {
        self.text.as_bytes().get(self.at).copied().ok_or(Stop::Incomplete)
    }

    /// The text between the quotes, and whether it holds escapes. Escapes are checked here, once.
    fn raw_string(&mut self) -> Result<(&'a str, bool), Stop> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(&bytes[self.at..]);
            match self.byte()? {
                b'"' => {
                    let raw = &self.text[start..self.at];
                    self.at += 1;
                    return Ok((raw, escaped));
                }
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    match self.byte()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.byte()?.is_ascii_hexdigit() {
                                    return Err(Stop::Malformed);
                                }
                            }
                            self.at += 1;
                        }
                        _ => return Err(Stop::Malformed),
                    }
                }
                _ => return Err(Stop::Malformed),
            }
        }
    }
}
