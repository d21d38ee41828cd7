//! The keys of one mapping: each once, and text.

use std::collections::HashMap;

use crate::document::{Entry, Node, Value};

/// So many keys are soon looked through.
const FEW: usize = 16;

/// A key whose value is passed over.
pub(super) struct WrongKey {
    /// None where it is none.
    pub(super) key: Option<String>,
    pub(super) line: usize,
    pub(super) message: String,
}

/// The entries of a mapping, or of a list's mappings, one after the other.
pub(super) fn mappings(node: Node) -> Option<Vec<Entry>> {
    match node.value {
        Value::Map(entries) => Some(entries),
        Value::List(items) => {
            let each = items.into_iter().map(|item| match item.value {
                Value::Map(entries) => Some(entries),
                _ => None,
            });
            each.collect::<Option<Vec<_>>>().map(|entries| entries.concat())
        }
        _ => None,
    }
}

/// The key that `node` is, behind those of `entries`, and its line.
pub(super) fn key(
    node: Node,
    entries: &[Entry],
    lines: &mut HashMap<String, usize>,
) -> Result<(String, usize), WrongKey> {
    let line = node.line;
    match node.value {
        Value::Scalar { text: key, .. } => {
            let first = if entries.len() <= FEW {
                entries.iter().find(|entry| entry.key == key).map(|entry| entry.line)
            } else {
                note(entries, lines);
                lines.get(&key).copied()
            };
            match first {
                Some(first) => {
                    let message = format!("duplicate key; first given in line {first}");
                    Err(WrongKey { key: Some(key), line, message })
                }
                None => Ok((key, line)),
            }
        }
        other => {
            let message = format!("a key must be text, found {}", other.kind());
            Err(WrongKey { key: None, line, message })
        }
    }
}

/// Brings the lines of keys, which differ, up to date.
pub(super) fn note(entries: &[Entry], lines: &mut HashMap<String, usize>) {
    let new = entries.get(lines.len()..).unwrap_or_default();
    lines.extend(new.iter().map(|entry| (entry.key.clone(), entry.line)));
}
