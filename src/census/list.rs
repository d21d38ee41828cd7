//! The list as it arrives: chunks in, elements out.

use super::element::Element;
use super::json::{Cursor, Stop};

/// Longest element that is held in memory, in bytes. The API's longest sensible
/// element (15 expanded groups) has some ten kilobytes.
pub const MAX_ELEMENT: usize = 16 << 20;

/// Why a list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The body is not a JSON array.
    #[error("the body is not the promised JSON array{}", if *.html { ": it is an HTML page" } else { "" })]
    NotAList {
        /// It looks like a page for people.
        html: bool,
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
    /// The list's distinct roles and groups need more memory than is reasonable for its length.
    #[error("the list's distinct roles and groups need more memory than its length explains")]
    TooVaried,
}

/// Where in the array the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeArray,
    FirstElement,
    Element,
    AfterElement,
    AfterArray,
}

/// Splits a list into elements while it is read; holds one unfinished element at the most.
#[derive(Debug)]
pub(super) struct ListReader {
    /// What came and is not used up.
    pending: String,
    /// The start of a character that the last chunk cut in two.
    tail: Vec<u8>,
    /// With fewer bytes than this another attempt at the pending element is not worthwhile.
    worthwhile: usize,
    place: Place,
    used: u64,
    element: Element,
}

impl ListReader {
    pub(super) fn new() -> Self {
        Self {
            pending: String::new(),
            tail: Vec::new(),
            worthwhile: 0,
            place: Place::BeforeArray,
            used: 0,
            element: Element::default(),
        }
    }

    /// Takes the next piece of the body; `each` gets every element that it completes.
    pub(super) fn write(&mut self, chunk: &[u8], mut each: impl FnMut(&Element)) -> Result<(), ListError> {
        self.append(chunk)?;
        if self.pending.len() < self.worthwhile {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.read(&pending, &mut each)?;
        pending.drain(..used);
        self.pending = pending;
        self.used += used as u64;
        if self.pending.len() > MAX_ELEMENT {
            return Err(ListError::ElementTooLong);
        }
        // An element that does not end here is read again from its start: only when there is twice as
        // much of it, so that the cost stays linear in its length.
        self.worthwhile = (self.pending.len() * 2).min(MAX_ELEMENT);
        Ok(())
    }

    /// Says that the body has ended.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&Element)) -> Result<(), ListError> {
        self.worthwhile = 0;
        self.write(&[], &mut each)?;
        match self.place {
            Place::AfterArray if self.pending.trim_ascii().is_empty() && self.tail.is_empty() => Ok(()),
            Place::BeforeArray => Err(ListError::NotAList { html: false }),
            _ => Err(ListError::Cut { offset: self.used + self.pending.len() as u64 }),
        }
    }

    /// Appends a chunk, which may begin and end in the middle of a character.
    fn append(&mut self, mut chunk: &[u8]) -> Result<(), ListError> {
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
        let Some(first) = chunk.utf8_chunks().next() else { return Ok(()) };
        self.pending.push_str(first.valid());
        let rest = &chunk[first.valid().len()..];
        match std::str::from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() && error.valid_up_to() == 0 => {
                self.tail.extend_from_slice(rest);
                Ok(())
            }
            Err(_) => Err(ListError::NotUtf8),
        }
    }

    /// Reads as many elements as there are; returns the bytes used up.
    fn read(&mut self, pending: &str, each: &mut impl FnMut(&Element)) -> Result<usize, ListError> {
        let is_start = self.place == Place::BeforeArray;
        let text = if is_start { pending.strip_prefix('\u{feff}').unwrap_or(pending) } else { pending };
        let skipped = pending.len() - text.len();
        let mut cursor = Cursor::new(text);
        let mut used = 0;
        loop {
            match self.step(&mut cursor, each) {
                Ok(()) => used = skipped + cursor.position(),
                Err(Stop::Incomplete) => return Ok(used),
                Err(Stop::Malformed) if self.place == Place::BeforeArray => {
                    return Err(ListError::NotAList { html: matches!(cursor.peek(), Ok(b'<')) });
                }
                Err(Stop::Malformed) => {
                    return Err(ListError::Malformed { offset: self.used + (skipped + cursor.position()) as u64 });
                }
            }
        }
    }

    /// Takes one bracket, comma or element.
    fn step(&mut self, cursor: &mut Cursor<'_>, each: &mut impl FnMut(&Element)) -> Result<(), Stop> {
        let byte = cursor.peek()?;
        let next = match (self.place, byte) {
            (Place::BeforeArray, b'[') => Place::FirstElement,
            (Place::FirstElement | Place::AfterElement, b']') => Place::AfterArray,
            (Place::AfterElement, b',') => Place::Element,
            (Place::FirstElement | Place::Element, _) => {
                self.element.read(cursor)?;
                each(&self.element);
                self.place = Place::AfterElement;
                return Ok(());
            }
            (Place::BeforeArray | Place::AfterElement | Place::AfterArray, _) => return Err(Stop::Malformed),
        };
        cursor.advance();
        self.place = next;
        Ok(())
    }
}
