//! Passing over values that nobody asked for: most of what a list consists of.
//!
//! Why not `serde_json`, which reads the escapes: its `IgnoredAny` in place of what is here for numbers, words and
//! containers would be half as long, and made the whole census 4 % slower on expanded lists and 6 % on short ones. It also
//! calls a number that a chunk cuts (`-`, `1.`, `1e`) malformed, exactly as one that is, and does not count how deep
//! containers nest, so that long values would have to be looked through a second time.

use super::scan::digits_by_eight;
use super::{Cursor, Stop};

impl Cursor<'_> {
    /// Passes over one value of any type, checking its syntax.
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<(), Stop> {
        let first = self.peek()?;
        match first {
            b'{' | b'[' => self.skip_container(),
            _ => self.skip_scalar(first),
        }
    }

    /// Passes over the container whose first byte is next.
    fn skip_container(&mut self) -> Result<(), Stop> {
        // A copy that does not escape stays in registers.
        let mut cursor = Cursor { text: self.text, ends: self.ends, at: self.at };
        let result = cursor.skip_nested();
        self.at = cursor.at;
        result
    }

    #[inline]
    fn skip_nested(&mut self) -> Result<(), Stop> {
        let mut nesting = Nesting::default();
        loop {
            let first = self.peek()?;
            if let b'{' | b'[' = first {
                // Both closing brackets stand two behind their opening ones.
                let close = first + 2;
                self.at += 1;
                if self.peek()? == close {
                    self.at += 1;
                } else {
                    nesting.push(first == b'{')?;
                    if first == b'{' {
                        self.skip_key()?;
                    }
                    continue;
                }
            } else {
                self.skip_scalar(first)?;
            }
            loop {
                let Some(is_object) = nesting.top() else { return Ok(()) };
                if self.another(if is_object { b'}' } else { b']' })? {
                    if is_object {
                        self.skip_key()?;
                    }
                    break;
                }
                nesting.pop();
            }
        }
    }

    #[inline]
    fn skip_key(&mut self) -> Result<(), Stop> {
        self.skip_string()?;
        self.expect(b':')
    }

    /// Passes over the value that begins with `first` and is no container.
    #[inline]
    fn skip_scalar(&mut self, first: u8) -> Result<(), Stop> {
        match first {
            b'"' => self.skip_string(),
            b'n' => self.literal(b"null"),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'-' | b'0'..=b'9' => self.skip_number(),
            _ => Err(Stop::Malformed),
        }
    }

    #[inline]
    fn literal<const N: usize>(&mut self, word: &[u8; N]) -> Result<(), Stop> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest.first_chunk() {
            Some(found) if found == word => {
                self.at += N;
                Ok(())
            }
            None if word.starts_with(rest) => Err(Stop::Incomplete),
            _ => Err(Stop::Malformed),
        }
    }

    pub(super) fn skip_number(&mut self) -> Result<(), Stop> {
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
        self.at += digits_by_eight(&self.text.as_bytes()[start..]);
        while self.byte()?.is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(Stop::Malformed) } else { Ok(()) }
    }
}

/// Which containers are open around a value, one bit per level: set for an object.
#[derive(Debug, Default)]
struct Nesting {
    levels: [u64; Self::WORDS],
    depth: usize,
}

impl Nesting {
    const WORDS: usize = 16;

    fn push(&mut self, object: bool) -> Result<(), Stop> {
        let Some(word) = self.levels.get_mut(self.depth / 64) else { return Err(Stop::TooDeep) };
        let bit = 1 << (self.depth % 64);
        if object {
            *word |= bit;
        } else {
            *word &= !bit;
        }
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether the innermost container is an object; `None` outside of all.
    fn top(&self) -> Option<bool> {
        let level = self.depth.checked_sub(1)?;
        Some(self.levels[level / 64] & (1 << (level % 64)) != 0)
    }
}
