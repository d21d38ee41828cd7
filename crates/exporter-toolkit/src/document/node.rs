//! A document as a tree that remembers its lines.

use std::fmt;

/// A value and where it starts.
#[derive(Clone)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// What is there.
    pub value: Value,
}

/// What a [`Node`] holds.
#[derive(Clone)]
pub enum Value {
    /// Nothing: `null`, `~`, or an empty place.
    Null,
    /// A scalar.
    Scalar {
        /// As written, quotes and escapes resolved.
        text: String,
        /// Neither quoted nor a block, so that it may be a number or a boolean.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file; keys are unique.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The key's line, from 1.
    pub line: usize,
    /// The value.
    pub node: Node,
}

impl Value {
    /// The kind of value in words, for "expected …, found …".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { plain: true, .. } => "a plain value",
            Self::Scalar { plain: false, .. } => "text in quotes",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Shows the kind and the line; the value may be a secret.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({} at line {})", self.value.kind(), self.line)
    }
}

/// Shows the kind; the value may be a secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.kind())
    }
}

/// Shows the key, shortened, and the line.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} at line {})", super::shown(&self.key), self.line)
    }
}
