//! Places in text.

/// A place in a buffer of decoded strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The place of an empty text.
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    /// From `start` to before `end`.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        // An element is far shorter than 4 GiB, and with it everything decoded from it.
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: place(start), end: place(end) }
    }

    /// The text at this place.
    pub(crate) fn of(self, text: &str) -> &str {
        &text[self.range()]
    }

    /// The indices of this place.
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// This place, once `length` bytes stand before it.
    pub(crate) fn moved_behind(self, length: usize) -> Self {
        Self::new(self.start as usize + length, self.end as usize + length)
    }

    /// This place, once the first `length` bytes are gone, none of which it holds.
    pub(crate) fn moved_before(self, length: usize) -> Self {
        Self::new((self.start as usize).saturating_sub(length), (self.end as usize).saturating_sub(length))
    }
}
