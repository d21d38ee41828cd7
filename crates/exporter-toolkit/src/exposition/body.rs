//! The body of a scrape, in parts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A body as parts that are sent one after the other. Scrapes share what they have in common.
#[derive(Debug, Clone, Default)]
pub struct Body(Vec<Part>);

/// A part of a body.
#[derive(Debug, Clone)]
pub enum Part {
    /// In memory.
    Made(Bytes),
    /// Made when it is its turn to be sent, so that a body is never in memory as a whole.
    Unmade {
        /// What makes it.
        maker: Arc<dyn Make>,
        /// Which of the maker's parts it is.
        index: usize,
        /// How many bytes it will have.
        length: usize,
    },
}

/// Makes parts of one body from something that does not change.
pub trait Make: fmt::Debug + Send + Sync {
    /// The part with this index: the same bytes each time. Work for the CPU.
    fn make(&self, index: usize) -> Bytes;
}

impl Part {
    /// How many bytes are sent.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Made(bytes) => bytes.len(),
            Self::Unmade { length, .. } => *length,
        }
    }

    /// The bytes that are sent.
    #[must_use]
    pub fn make(&self) -> Bytes {
        match self {
            Self::Made(bytes) => bytes.clone(),
            Self::Unmade { maker, index, .. } => maker.make(*index),
        }
    }
}

impl Body {
    /// All parts, in the order in which they are sent.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// All bytes in one piece.
    #[must_use]
    pub fn concat(&self) -> Vec<u8> {
        self.0.iter().flat_map(Part::make).collect()
    }
}

impl<P: Into<Part>> FromIterator<P> for Body {
    fn from_iter<I: IntoIterator<Item = P>>(parts: I) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }
}

impl IntoIterator for Body {
    type Item = Part;
    type IntoIter = std::vec::IntoIter<Part>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Bytes> for Part {
    fn from(bytes: Bytes) -> Self {
        Self::Made(bytes)
    }
}
