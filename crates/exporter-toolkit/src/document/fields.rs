//! Taking known keys out of a mapping; what stays is unknown.

use std::collections::BTreeSet;

use super::{Entry, Node, Path, Problem, Problems, Value, Wrong, nearest, shown};

/// What reading one document has found so far.
#[derive(Debug, Default)]
pub struct Reading {
    problems: Vec<Problem>,
    /// The patterns of all keys that were asked for, where somebody wants to know them.
    known: Option<BTreeSet<String>>,
}

impl Reading {
    /// One that remembers which keys were asked for.
    pub(super) fn of_known_keys() -> Self {
        Self { known: Some(BTreeSet::new()), ..Self::default() }
    }

    /// Adds a problem. `message` must not repeat a value.
    pub fn report(&mut self, path: &Path, line: Option<usize>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.to_string(), line, ..Problem::general(message) });
    }

    /// Every problem, in the order of the lines.
    pub(super) fn into_problems(self) -> Problems {
        let Self { mut problems, .. } = self;
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        Problems(problems)
    }

    pub(super) fn into_known(self) -> Vec<String> {
        self.known.into_iter().flatten().collect()
    }
}

/// The fields of one mapping. Each accessor makes its key known; [`Fields::finish`] reports the others.
///
/// A key with nothing after it counts as absent: that is what a section looks like whose lines are
/// all commented out.
#[derive(Debug)]
pub struct Fields<'n, 'r> {
    entries: &'n [Entry],
    path: Path,
    line: Option<usize>,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
    /// Not a mapping, and reported as such: then no key of it is worth calling missing.
    broken: bool,
    reading: &'r mut Reading,
}

impl<'n, 'r> Fields<'n, 'r> {
    /// The fields of `node`; what is not a mapping is reported and has none.
    pub fn of(node: &'n Node, path: Path, reading: &'r mut Reading) -> Self {
        let (entries, broken): (&[Entry], bool) = match &node.value {
            Value::Map(entries) => (entries, false),
            Value::Null => (&[], false),
            other => {
                let found = if matches!(other, Value::Scalar { .. }) { "a single value" } else { other.kind() };
                reading.report(&path, Some(node.line), format!("expected a mapping of keys, found {found}"));
                (&[], true)
            }
        };
        Self { entries, path, line: Some(node.line), known: Vec::new(), refused: Vec::new(), broken, reading }
    }

    /// Where this mapping is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line where this mapping starts.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// Whether `key` is given with a value, and makes it known.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// The value of `key`; `None` when it is absent or was reported as wrong.
    pub fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&Node) -> Result<T, Wrong>) -> Option<T> {
        let node = self.find(key)?;
        self.reading.value(|| self.path.key(key), node, read)
    }

    /// The value of `key`, or `default` when it is absent or was reported as wrong.
    pub fn or<T>(&mut self, key: &'static str, default: T, read: impl FnOnce(&Node) -> Result<T, Wrong>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// The value of `key`, reported when it is absent.
    pub fn required<T>(&mut self, key: &'static str, read: impl FnOnce(&Node) -> Result<T, Wrong>) -> Option<T> {
        if !self.has(key) && !self.broken {
            self.problem_at(key, "is missing");
        }
        self.optional(key, read)
    }

    /// The items of the list `key`; `None` when it is absent or not a list. Items that are wrong are reported and left out.
    pub fn list<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, Wrong>) -> Option<Vec<T>> {
        let path = self.path.key(key);
        let items = self.items(key)?;
        Some(
            items
                .iter()
                .enumerate()
                .filter_map(|(i, node)| self.reading.value(|| path.index(i), node, &read))
                .collect(),
        )
    }

    /// The mappings in the list `key`, each through `read`; `None` when it is absent or not a list.
    pub fn mappings<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(Fields<'n, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let path = self.path.key(key);
        let items = self.items(key)?;
        let each = |(i, node)| read(Fields::of(node, path.index(i), self.reading));
        Some(items.iter().enumerate().filter_map(each).collect())
    }

    /// The mapping `key`; without any fields when it is absent.
    pub fn section(&mut self, key: &'static str) -> Fields<'n, '_> {
        let path = self.path.key(key);
        match self.find(key) {
            Some(node) => Fields::of(node, path, self.reading),
            None => Fields {
                entries: &[],
                path,
                line: self.line,
                known: Vec::new(),
                refused: Vec::new(),
                broken: false,
                reading: self.reading,
            },
        }
    }

    /// The mappings under the operator's own names in the mapping `key`, each through `read`.
    pub fn named<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&'n str, Fields<'n, '_>) -> Option<T>,
    ) -> Vec<T> {
        let section = self.section(key);
        let Fields { entries, path, reading, .. } = section;
        let each = |entry: &'n Entry| read(&entry.key, Fields::of(&entry.node, path.name(&entry.key), &mut *reading));
        entries.iter().filter_map(each).collect()
    }

    /// The single values under the operator's own names in the mapping `key`.
    pub fn values<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, Wrong>) -> Vec<(String, T)> {
        let section = self.section(key);
        let Fields { entries, path, reading, .. } = section;
        reading.know(|| path.name(""));
        let each =
            |entry: &Entry| Some((entry.key.clone(), reading.value(|| path.name(&entry.key), &entry.node, &read)?));
        entries.iter().filter_map(each).collect()
    }

    /// Reports `key` with `message` if it is there. It is then not unknown, but it is no known key either.
    pub fn refuse(&mut self, key: &'static str, message: &str) {
        if self.entries.iter().any(|entry| entry.key == key) {
            self.refused.push(key);
            self.problem_at(key, message);
        }
    }

    /// Reports a problem of the mapping itself. `message` must not repeat a value.
    pub fn problem(&mut self, message: impl Into<String>) {
        self.reading.report(&self.path, self.line, message);
    }

    /// Reports a problem of `key`, at its line if it is there. `message` must not repeat a value.
    pub fn problem_at(&mut self, key: &str, message: impl Into<String>) {
        let line = self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.node.line);
        self.reading.report(&self.path.key(key), line.or(self.line), message);
    }

    /// Reports every key that no accessor asked for, with the known one that it is probably a slip of.
    pub fn finish(self) {
        let Self { entries, path, known, refused, reading, .. } = self;
        let unknown = |entry: &&Entry| ![&known, &refused].iter().any(|keys| keys.contains(&entry.key.as_str()));
        for entry in entries.iter().filter(unknown) {
            let message = match nearest(&entry.key, known.iter().copied()) {
                Some(meant) => format!("unknown key; did you mean {meant}?"),
                None => format!("unknown key; known here are {}", known.join(", ")),
            };
            reading.report(&path.key(&shown(&entry.key)), Some(entry.line), message);
        }
    }

    fn find(&mut self, key: &'static str) -> Option<&'n Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
            self.reading.know(|| self.path.key(key));
        }
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!matches!(entry.node.value, Value::Null)).then_some(&entry.node)
    }

    fn items(&mut self, key: &'static str) -> Option<&'n [Node]> {
        let node = self.find(key)?;
        if let Value::List(items) = &node.value {
            return Some(items);
        }
        let found = if matches!(node.value, Value::Scalar { .. }) { "a single value" } else { node.value.kind() };
        self.problem_at(key, format!("expected a list, found {found}"));
        None
    }
}

impl Reading {
    fn value<T>(
        &mut self,
        path: impl FnOnce() -> Path,
        node: &Node,
        read: impl FnOnce(&Node) -> Result<T, Wrong>,
    ) -> Option<T> {
        read(node).map_err(|Wrong(message)| self.report(&path(), Some(node.line), message)).ok()
    }

    /// Takes note of a key that was asked for.
    fn know(&mut self, path: impl FnOnce() -> Path) {
        if let Some(known) = &mut self.known {
            known.insert(path().pattern().to_owned());
        }
    }
}
