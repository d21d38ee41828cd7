//! The list as it arrives: chunks in, elements out.

use super::element::Element;
use super::json::{Cursor, Stop, StringEnds};

/// Longest element that is read, in bytes. The API's longest sensible
/// element (15 expanded groups) has some ten kilobytes.
pub const MAX_ELEMENT: usize = 1 << 20;

/// Why a list cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The body is not a JSON array.
    #[error("the body is not the promised JSON array{}", if *.html { ": it is an HTML page" } else { "" })]
    NotAList {
        /// It looks like a page for people.
        html: bool,
    },
    /// The body is a JSON object.
    #[error("the body is a JSON object{} in place of the promised array", key.as_ref().map(|key| format!(" with the key `{key}`")).unwrap_or_default())]
    Wrapped {
        /// Its first key that holds an array, where it is a word.
        key: Option<String>,
    },
    /// The body begins as an array, but breaks its syntax.
    #[error("the body is not valid JSON after {offset} bytes")]
    Malformed {
        /// Bytes that were fine, about.
        offset: u64,
    },
    /// The body ended before the array did.
    #[error("the JSON array is cut off after {offset} bytes")]
    Cut {
        /// Bytes that came.
        offset: u64,
    },
    /// The body is not UTF-8.
    #[error("the body is not UTF-8 text")]
    NotUtf8,
    /// One element alone is longer than [`MAX_ELEMENT`].
    #[error("one element is longer than {} MiB", MAX_ELEMENT >> 20)]
    ElementTooLong,
    /// A value nests deeper than is followed.
    #[error("a value nests more than 1024 levels deep")]
    TooDeep,
    /// The list's distinct roles and groups need more memory than is reasonable for its length.
    #[error("the list's distinct roles and groups need more memory than its length explains")]
    TooVaried,
}

/// Where in the array the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    BeforeArray,
    FirstElement,
    Element,
    AfterElement,
    AfterArray,
}

/// What may stand between the tokens of JSON.
const BLANKS: [char; 4] = [' ', '\n', '\r', '\t'];

/// How much of a chunk is put behind a pending element to find its end, at the least, in bytes.
const PIECE: usize = 8192;

/// Splits a list into elements while it is read; holds one unfinished element at the most.
#[derive(Debug)]
pub(super) struct ListReader {
    /// The start of an element that no chunk so far has ended.
    pending: String,
    /// The start of a character that the last chunk cut in two.
    tail: Vec<u8>,
    /// With fewer bytes than this another attempt at the pending element is not worthwhile.
    worthwhile: usize,
    position: Position,
    used: u64,
    ends: StringEnds,
    element: Element,
}

impl ListReader {
    pub(super) fn new() -> Self {
        Self {
            pending: String::new(),
            tail: Vec::new(),
            worthwhile: 0,
            position: Position::BeforeArray,
            used: 0,
            ends: StringEnds::default(),
            element: Element::default(),
        }
    }

    /// One whose elements also say who invited.
    pub(super) fn with_people() -> Self {
        Self { element: Element::with_people(), ..Self::new() }
    }

    /// Takes the next piece of the body; `each` gets every element that it completes.
    pub(super) fn write(&mut self, chunk: &[u8], mut each: impl FnMut(&Element)) -> Result<(), ListError> {
        let chunk = self.complete_character(chunk)?;
        let (mut text, cut) = split_cut_character(chunk)?;
        self.tail.extend_from_slice(cut);
        while !self.pending.is_empty() && !text.is_empty() {
            text = self.continue_pending(text, &mut each)?;
        }
        if !self.pending.is_empty() {
            return Ok(());
        }
        // Elements are read where they lie; only what the chunk cuts off is copied.
        let used = self.read(text, usize::MAX, &mut each)?;
        self.keep(&text[used..])
    }

    /// Says that the body has ended.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&Element)) -> Result<(), ListError> {
        self.read_pending(usize::MAX, &mut each)?;
        match self.position {
            Position::AfterArray if self.pending.trim_ascii().is_empty() && self.tail.is_empty() => Ok(()),
            Position::BeforeArray if self.pending.starts_with('{') => Err(ListError::Wrapped { key: None }),
            Position::BeforeArray => Err(ListError::NotAList { html: false }),
            _ => Err(ListError::Cut { offset: self.used + self.pending.len() as u64 }),
        }
    }

    /// Moves the rest of a character that the former chunk cut in two to what is pending.
    fn complete_character<'c>(&mut self, mut chunk: &'c [u8]) -> Result<&'c [u8], ListError> {
        while let (false, Some((&byte, rest))) = (self.tail.is_empty(), chunk.split_first()) {
            self.tail.push(byte);
            chunk = rest;
            match std::str::from_utf8(&self.tail) {
                Ok(character) => {
                    self.pending.push_str(character);
                    self.tail.clear();
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(ListError::NotUtf8),
            }
        }
        Ok(chunk)
    }

    /// Puts the start of `text` behind the pending element and tries to read it; returns what is left of `text`.
    fn continue_pending<'t>(&mut self, text: &'t str, each: &mut impl FnMut(&Element)) -> Result<&'t str, ListError> {
        let before = self.pending.len();
        let wanted = self.worthwhile.saturating_sub(before).max(PIECE).min(text.len());
        let cut = (wanted..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        let (piece, rest) = text.split_at(cut);
        self.pending.push_str(piece);
        if self.pending.len() < self.worthwhile {
            return Ok(rest);
        }
        let used = self.read_pending(before, each)?;
        if let Some(used) = used.checked_sub(before) {
            self.pending.clear();
            return Ok(&text[used..]);
        }
        self.keep("")?;
        Ok(rest)
    }

    /// Reads what is pending, up to the first element that ends behind `enough`; returns the bytes used up.
    fn read_pending(&mut self, enough: usize, each: &mut impl FnMut(&Element)) -> Result<usize, ListError> {
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.read(&pending, enough, each)?;
        if used < enough {
            pending.drain(..used);
        }
        self.pending = pending;
        Ok(used)
    }

    /// Keeps the start of an element for the next chunk.
    fn keep(&mut self, rest: &str) -> Result<(), ListError> {
        self.pending.push_str(rest);
        // Blanks in front of an element are no part of it.
        let blanks = self.pending.len() - self.pending.trim_start_matches(BLANKS).len();
        self.pending.drain(..blanks);
        self.used += blanks as u64;
        if self.pending.len() > MAX_ELEMENT {
            return Err(match self.position {
                Position::BeforeArray => ListError::Wrapped { key: None },
                _ => ListError::ElementTooLong,
            });
        }
        // An element that does not end here is read again from its start: only when there is twice as
        // much of it, so that the cost stays linear in its length.
        self.worthwhile = (self.pending.len() * 2).min(MAX_ELEMENT);
        Ok(())
    }

    /// Reads as many elements as there are, or up to the first that ends behind `enough` bytes; returns the bytes
    /// used up.
    fn read(&mut self, text: &str, enough: usize, each: &mut impl FnMut(&Element)) -> Result<usize, ListError> {
        let is_start = self.position == Position::BeforeArray && self.used == 0;
        let list = if is_start { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let skipped = text.len() - list.len();
        let mut ends = std::mem::take(&mut self.ends);
        ends.find(list);
        let mut cursor = Cursor::new(list, &ends);
        let mut used = 0;
        while used < enough {
            match self.step(&mut cursor, each) {
                Ok(()) => used = skipped + cursor.position(),
                Err(Stop::Incomplete) => {
                    // Blanks in front of what is still to come are nobody's: they are not kept.
                    let rest = list.get(used.saturating_sub(skipped)..).unwrap_or_default();
                    if rest.trim_start_matches(BLANKS).is_empty() {
                        used = text.len();
                    }
                    break;
                }
                Err(Stop::TooLong) => return Err(ListError::ElementTooLong),
                Err(Stop::TooDeep) => return Err(ListError::TooDeep),
                Err(Stop::Malformed) if self.position == Position::BeforeArray => match cursor.peek() {
                    Ok(b'{') => match wrapping_key(&mut cursor) {
                        Ok(key) => return Err(ListError::Wrapped { key }),
                        Err(_) => break,
                    },
                    first => return Err(ListError::NotAList { html: first == Ok(b'<') }),
                },
                Err(Stop::Malformed) => {
                    return Err(ListError::Malformed { offset: self.used + (skipped + cursor.position()) as u64 });
                }
            }
        }
        self.used += used as u64;
        self.ends = ends;
        Ok(used)
    }

    /// Takes one bracket, comma or element.
    fn step(&mut self, cursor: &mut Cursor<'_>, each: &mut impl FnMut(&Element)) -> Result<(), Stop> {
        let byte = cursor.peek()?;
        let next = match (self.position, byte) {
            (Position::BeforeArray, b'[') => Position::FirstElement,
            (Position::FirstElement | Position::AfterElement, b']') => Position::AfterArray,
            (Position::AfterElement, b',') => Position::Element,
            (Position::FirstElement | Position::Element, _) => {
                let start = cursor.position();
                self.element.read(cursor)?;
                if cursor.position() - start > MAX_ELEMENT {
                    return Err(Stop::TooLong);
                }
                each(&self.element);
                self.position = Position::AfterElement;
                return Ok(());
            }
            (Position::BeforeArray | Position::AfterElement | Position::AfterArray, _) => return Err(Stop::Malformed),
        };
        cursor.advance();
        self.position = next;
        Ok(())
    }
}

/// The key under which an object seems to hold the list: its first one with an array. Only a word is shown, never what
/// could be somebody's address. Fails where more of the object has to be seen.
fn wrapping_key(cursor: &mut Cursor<'_>) -> Result<Option<String>, Stop> {
    let word = |key: &[u8]| {
        let is_word = key.len() <= 32 && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        std::str::from_utf8(key).ok().filter(|_| is_word).map(str::to_owned)
    };
    let mut found = None;
    let end = cursor.object(|cursor, key| {
        if cursor.peek()? == b'[' {
            found = Some(word(key));
            return Err(Stop::Malformed);
        }
        cursor.skip()
    });
    match (found, end) {
        (None, Err(Stop::Incomplete)) => Err(Stop::Incomplete),
        (found, _) => Ok(found.flatten()),
    }
}

/// Splits off the start of a character that the end of `chunk` cuts in two.
fn split_cut_character(chunk: &[u8]) -> Result<(&str, &[u8]), ListError> {
    match std::str::from_utf8(chunk) {
        Ok(text) => Ok((text, &[])),
        Err(error) if error.error_len().is_none() => {
            let (whole, cut) = chunk.split_at(error.valid_up_to());
            let text = std::str::from_utf8(whole).map_err(|_| ListError::NotUtf8)?;
            Ok((text, cut))
        }
        Err(_) => Err(ListError::NotUtf8),
    }
}
