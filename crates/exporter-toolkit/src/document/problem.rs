//! What is wrong with a document, and where.

use std::fmt;
use std::path::PathBuf;

/// Where in a document: as an operator reads it, and as the documentation lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    shown: String,
    pattern: String,
}

impl Path {
    /// The path of `key` below this one.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self { shown: join(&self.shown, &super::shown(key)), pattern: join(&self.pattern, key) }
    }

    /// The path of an entry whose key is the operator's own word.
    #[must_use]
    pub fn name(&self, name: &str) -> Self {
        Self { shown: join(&self.shown, &super::shown(name)), pattern: join(&self.pattern, "*") }
    }

    /// The path of a list's item, counted from 0.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self { shown: format!("{}[{index}]", self.shown), pattern: format!("{}[]", self.pattern) }
    }

    /// List positions as `[]`, free names as `*`.
    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// One thing to repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, where several are read together.
    pub file: Option<PathBuf>,
    /// The key, such as `organizations[2].id`; empty when it is about the whole document.
    pub path: String,
    /// The line, from 1; `None` when no line is to blame.
    pub line: Option<usize>,
    /// What is wrong and what is expected. Never repeats a value.
    pub message: String,
}

impl Problem {
    /// A problem that no key or line is to blame for.
    #[must_use]
    pub fn general(message: impl Into<String>) -> Self {
        Self { file: None, path: String::new(), line: None, message: message.into() }
    }

    /// The same problem, of this file.
    #[must_use]
    pub fn in_file(self, file: &std::path::Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, path, line, message } = self;
        if let Some(file) = file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(line) = line {
            write!(f, "line {line}: ")?;
        }
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)
    }
}

/// Everything to repair; `Display` gives one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether there is nothing to repair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each problem in turn.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
