//! From the parser's events to the tree, within bounds.

mod keys;

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use self::keys::{WrongKey, key, mappings, note};
use super::{Entry, Node, Path, Reading, Value};

/// The largest source: tens of thousands of organizations fit.
pub const MAX_SOURCE: u64 = 4 << 20;
/// The deepest nesting; settings need five.
const MAX_DEPTH: usize = 32;
/// What the tree may weigh in bytes with all aliases expanded, so that a few lines of aliases to
/// aliases can't fill the memory.
const MAX_WEIGHT: usize = 64 << 20;
/// What a node weighs beside its text.
const NODE_WEIGHT: usize = 96;
/// What merges mappings.
const MERGE: &str = "<<";

/// The document's tree; `None` when it is not one well-formed document.
///
/// Duplicate keys, tags and keys that are not text are reported and passed over, so that the other
/// problems of the document are found too.
pub(super) fn tree(source: &[u8], reading: &mut Reading) -> Option<Node> {
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    if source.len() as u64 > MAX_SOURCE {
        reading.report(&Path::default(), None, "the file is larger than 4 MiB");
        return None;
    }
    let text = match std::str::from_utf8(source) {
        Ok(text) => text,
        Err(error) => {
            let line = source[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
            reading.report(&Path::default(), Some(line), "the file is not UTF-8 text");
            return None;
        }
    };
    let last_line = text.lines().count().max(1);
    let mut builder = Builder { reading, frames: Vec::new(), anchors: HashMap::new(), root: None, weight: 0 };
    for event in Parser::new_from_str(text) {
        let stop = match event {
            Ok((event, span)) => builder.event(event, span.start.line().max(1)),
            // Where a file ends too early, the parser stands behind its last line.
            Err(error) => Err(Stop { line: error.marker().line().clamp(1, last_line), message: syntax(&error) }),
        };
        if let Err(Stop { line, message }) = stop {
            builder.reading.report(&Path::default(), Some(line), message);
            return None;
        }
    }
    Some(builder.root.unwrap_or(Node { line: 1, value: Value::Map(Vec::new()) }))
}

/// Why reading can't go on.
struct Stop {
    line: usize,
    message: String,
}

/// The parser's own words where they are fixed; those that repeat a piece of the source are dropped.
fn syntax(error: &ScanError) -> String {
    let info = error.info();
    if info.contains(['`', '\'', '"', '<']) { "not valid YAML".to_owned() } else { format!("not valid YAML: {info}") }
}

/// A finished node with what it costs to repeat it.
#[derive(Clone)]
struct Built {
    node: Node,
    weight: usize,
    depth: usize,
}

/// A collection that is still open.
struct Frame {
    anchor: usize,
    line: usize,
    weight: usize,
    depth: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The line of each own key, where there are more than a few: a file may have hundreds of thousands of them.
        lines: HashMap<String, usize>,
        /// What `<<` brings, the earlier before the later; own entries go before it.
        merged: Option<Vec<Entry>>,
        next: Next,
    },
}

impl Items {
    fn map() -> Self {
        Self::Map { entries: Vec::new(), lines: HashMap::new(), merged: None, next: Next::Key }
    }
}

/// What comes next in a mapping.
enum Next {
    Key,
    /// The value of this key.
    ValueOf {
        key: String,
        line: usize,
    },
    /// What is merged into this mapping.
    Merged {
        line: usize,
    },
    /// The value of a key that was reported.
    PassedOver,
}

struct Builder<'r> {
    reading: &'r mut Reading,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    root: Option<Node>,
    weight: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Stop { line, message: "a second document starts here; only one is allowed".to_owned() })
            }
            Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let string = self.tag(tag.as_deref(), line);
                let plain = style == ScalarStyle::Plain && !string;
                let weight = NODE_WEIGHT + text.len();
                let value = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Value::Null
                } else {
                    // A copy: the parser's own text has room for 128 more bytes, which ten thousand organizations would touch for nothing.
                    Value::Scalar { text: String::from(&*text), plain }
                };
                self.weigh(weight, line)?;
                self.finished(anchor, Built { node: Node { line, value }, weight, depth: 0 })
            }
            Event::Alias(anchor) => {
                let Some(mut built) = self.anchors.get(&anchor).cloned() else {
                    return Err(Stop { line, message: "an alias inside of what it stands for".to_owned() });
                };
                self.weigh(built.weight, line)?;
                built.node.line = line;
                self.finished(0, built)
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), line);
                self.open(anchor, line, Items::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), line);
                self.open(anchor, line, Items::map())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Frame { anchor, line, weight, depth, items }) = self.frames.pop() else { return Ok(()) };
                let value = match items {
                    Items::List(items) => Value::List(items),
                    Items::Map { mut entries, mut lines, merged, .. } => {
                        if let Some(merged) = merged {
                            note(&entries, &mut lines);
                            let is_new = |entry: &Entry| lines.insert(entry.key.clone(), entry.line).is_none();
                            entries.extend(merged.into_iter().filter(is_new));
                        }
                        Value::Map(entries)
                    }
                };
                self.finished(anchor, Built { node: Node { line, value }, weight, depth: depth + 1 })
            }
        }
    }

    /// Whether the tag makes a scalar text; other tags than the built-in ones for text and collections are reported.
    fn tag(&mut self, tag: Option<&Tag>, line: usize) -> bool {
        let Some(tag) = tag else { return false };
        let suffix = tag.suffix.as_str();
        if tag.is_yaml_core_schema() && matches!(suffix, "str" | "map" | "seq") {
            return suffix == "str";
        }
        let path = self.path();
        self.reading.report(&path, Some(line), "YAML tags other than !!str are not supported");
        false
    }

    fn weigh(&mut self, weight: usize, line: usize) -> Result<(), Stop> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > MAX_WEIGHT {
            return Err(Stop { line, message: "too large with all aliases expanded".to_owned() });
        }
        Ok(())
    }

    fn open(&mut self, anchor: usize, line: usize, items: Items) -> Result<(), Stop> {
        self.weigh(NODE_WEIGHT, line)?;
        if self.frames.len() >= MAX_DEPTH {
            return Err(Stop { line, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        self.frames.push(Frame { anchor, line, weight: NODE_WEIGHT, depth: 0, items });
        Ok(())
    }

    /// Puts a finished node where it belongs: an anchor, and the open collection or the root.
    fn finished(&mut self, anchor: usize, built: Built) -> Result<(), Stop> {
        if self.frames.len() + built.depth > MAX_DEPTH {
            return Err(Stop { line: built.node.line, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        if anchor > 0 {
            self.weigh(built.weight, built.node.line)?;
            self.anchors.insert(anchor, built.clone());
        }
        let Built { node, weight, depth } = built;
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.weight += weight;
        frame.depth = frame.depth.max(depth);
        let mut wrong = None;
        match &mut frame.items {
            Items::List(items) => items.push(node),
            Items::Map { entries, lines, merged, next } => {
                *next = match std::mem::replace(next, Next::Key) {
                    Next::ValueOf { key, line } => {
                        entries.push(Entry { key, line, node });
                        Next::Key
                    }
                    Next::Merged { line } => {
                        let brought = mappings(node);
                        if brought.is_none() {
                            let message = "expected a mapping, or a list of mappings, to merge";
                            wrong = Some(WrongKey { key: Some(MERGE.to_owned()), line, message: message.to_owned() });
                        }
                        *merged = Some(brought.unwrap_or_default());
                        Next::Key
                    }
                    Next::PassedOver => Next::Key,
                    // The key of YAML 1.1 that mappings are merged with; in quotes it is one like any other.
                    Next::Key if is_merge(&node) && merged.is_none() => Next::Merged { line: node.line },
                    Next::Key if is_merge(&node) => {
                        let message = "duplicate key; merge a list instead".to_owned();
                        wrong = Some(WrongKey { key: Some(MERGE.to_owned()), line: node.line, message });
                        Next::PassedOver
                    }
                    Next::Key => match key(node, entries, lines) {
                        Ok((key, line)) => Next::ValueOf { key, line },
                        Err(of) => {
                            wrong = Some(of);
                            Next::PassedOver
                        }
                    },
                };
            }
        }
        if let Some(WrongKey { key, line, message }) = wrong {
            // Of the mapping: no key of it has its turn now.
            let path = self.path();
            let path = key.map_or_else(|| path.clone(), |key| path.key(&key));
            self.reading.report(&path, Some(line), message);
        }
        Ok(())
    }

    /// Where the next node goes.
    fn path(&self) -> Path {
        self.frames.iter().fold(Path::default(), |path, frame| match &frame.items {
            Items::List(items) => path.index(items.len()),
            Items::Map { next: Next::ValueOf { key, .. }, .. } => path.key(key),
            Items::Map { next: Next::Merged { .. }, .. } => path.key(MERGE),
            Items::Map { .. } => path,
        })
    }
}

fn is_merge(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, plain: true } if text == MERGE)
}
