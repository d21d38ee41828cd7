//! A strict reader of YAML settings.
//!
//! Three rules set it apart from a general deserializer:
//!
//! - It reports *every* problem of a file, each with the key's path and line, so that a file is
//!   repaired in one round.
//! - It never repeats a value: not in a problem, not in `Debug`, not as a snippet of the source. Any
//!   value may be a secret in the wrong place. Keys are shown, shortened.
//! - Nothing is guessed: unknown and duplicate keys, tags, second documents and non-text keys are
//!   problems, and `yes` is not a boolean.
//!
//! `serde-saphyr` (2.2) with typed structs was tried in its place, because it would be less code. It ends at the first
//! problem, as every `serde` deserializer does. Its errors know the line but not the key's path, and show the lines
//! around it with their values unless that is turned off. An unknown key comes out whole, and an unknown tag is
//! passed over. So only the parser below it is a library's.
//!
//! ```
//! use exporter_toolkit::document::{self, Fields, duration, text};
//!
//! let read = |mut root: Fields<'_, '_>| {
//!     let timeout = root.optional("timeout", duration);
//!     let mut tls = root.section("tls");
//!     let ca = tls.optional("ca_file", text);
//!     tls.finish();
//!     root.finish();
//!     Some((timeout, ca))
//! };
//! let problems = document::read(b"timeout: soon\ntls: {ca_fil: x}\n", read).unwrap_err();
//! assert_eq!(
//!     problems.to_string(),
//!     "line 1: timeout: expected a duration such as 30s, 5m or 1h 30m\n\
//!      line 2: tls.ca_fil: unknown key; did you mean ca_file?"
//! );
//! ```

mod build;
mod fields;
mod node;
mod problem;
mod scalar;
mod suggest;

#[cfg(test)]
mod tests;

pub use build::MAX_SOURCE;
pub use fields::{Fields, Reading};
pub use node::{Entry, Node, Value};
pub use problem::{Path, Problem, Problems};
pub use scalar::{Wrong, boolean, count, duration, parse_duration, path, positive_duration, rate, size, text};
pub use suggest::{nearest, shown};

/// Reads one document with `read`, which takes what it knows from the root's [`Fields`].
///
/// `read` may return `None` when a problem kept it from building a value; it must have reported that
/// problem. An empty document is an empty mapping.
///
/// # Errors
/// All problems of the document, in the order of its lines.
pub fn read<T>(source: &[u8], read: impl FnOnce(Fields<'_, '_>) -> Option<T>) -> Result<T, Problems> {
    let (value, problems) = examine(source, read);
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        None if problems.is_empty() => Err(Problem::general("can't be used").into()),
        _ => Err(problems),
    }
}

/// As [`read`], for whoever looks at what the document refers to as well: beside the problems, in the order of its lines,
/// comes what could be read in spite of them. It is not for use.
pub(crate) fn examine<T>(source: &[u8], read: impl FnOnce(Fields<'_, '_>) -> Option<T>) -> (Option<T>, Problems) {
    let mut reading = Reading::default();
    let value =
        build::tree(source, &mut reading).and_then(|root| read(Fields::of(&root, Path::default(), &mut reading)));
    (value, reading.into_problems())
}

/// The paths of all keys that `read` asked for in `source`, list positions as `[]` and free names as `*`.
///
/// This is what documentation is checked against: it can't name a key that is not read, nor leave one out.
#[must_use]
pub fn known_keys<T>(source: &[u8], read: impl FnOnce(Fields<'_, '_>) -> Option<T>) -> Vec<String> {
    let mut reading = Reading::of_known_keys();
    if let Some(root) = build::tree(source, &mut reading) {
        read(Fields::of(&root, Path::default(), &mut reading));
    }
    reading.into_known()
}
