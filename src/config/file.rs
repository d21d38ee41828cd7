//! What the files say, made into the configuration. Pure: files are read in [`super::loader`].

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exporter_toolkit::document::{self, Fields, Node, Wrong, text};
use file_reader::Content;

use super::credentials::Named;
use super::poll::Schedule;
use super::unique::Unique;
use super::{Api, Config, Credential, Metrics, Problem, Problems};
use super::{api, credentials, metrics, organizations, poll};

/// A file's name and content.
#[derive(Debug)]
pub(super) struct LoadedFile {
    pub(super) path: PathBuf,
    pub(super) text: Content,
}

/// Files that cannot be used.
#[derive(Debug, Clone)]
pub struct Unusable {
    /// Everything that has to be repaired.
    pub(crate) problems: Problems,
    /// What could be read in spite of it, for whoever looks at what the files refer to as well. It is not for use.
    pub(crate) rest: Box<Config>,
}

impl From<Problems> for Unusable {
    fn from(problems: Problems) -> Self {
        Self { problems, rest: Box::new(Config::with_defaults()) }
    }
}

impl From<Problem> for Unusable {
    fn from(problem: Problem) -> Self {
        Problems::from(problem).into()
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.fmt(f)
    }
}

/// The configuration in the making: the main file first, then the others, each of which adds to it.
#[derive(Debug)]
pub(super) struct Draft {
    config: Config,
    schedule: Schedule,
    /// What organizations of every file may use.
    credentials: Named,
    patterns: Vec<String>,
    unique: Unique,
    problems: Vec<Problem>,
}

impl Draft {
    /// What the main file says.
    pub(super) fn new(main: &LoadedFile) -> Self {
        let mut draft = Self::empty();
        draft.read(main, Self::main);
        draft
    }

    fn empty() -> Self {
        Self {
            config: Config::with_defaults(),
            schedule: Schedule::default(),
            credentials: Named::default(),
            patterns: Vec::new(),
            unique: Unique::default(),
            problems: Vec::new(),
        }
    }

    /// Where further files are, as the main one says it.
    pub(super) fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// A file of organizations.
    pub(super) fn add(&mut self, file: &LoadedFile) {
        self.read(file, Self::more);
    }

    /// Takes note of what is wrong with a file that cannot be read.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Takes note of what works, but is hardly meant.
    pub(super) fn warning(&mut self, warning: String) {
        self.config.warnings.push(warning);
    }

    /// The configuration, unless there is a problem in any of the files.
    pub(super) fn finished(self) -> Result<Config, Unusable> {
        let Self { mut config, problems, .. } = self;
        let of = |credential: &'_ Arc<Credential>| credential.url.as_ref().unwrap_or(&config.api.url).clone();
        config.api.consoles = config.credentials.iter().map(of).collect::<BTreeSet<_>>().into_iter().collect();
        config.warn_of_plain_http("api.url");
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(Unusable { problems: Problems(problems), rest: Box::new(config) })
        }
    }

    fn read(&mut self, file: &LoadedFile, read: fn(&mut Self, Fields<'_, '_>, &Path)) {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        self.unique.file.clone_from(&file.path);
        self.config.files.push(file.path.clone());
        let outcome = document::read(&file.text, |root| {
            read(self, root, folder);
            Some(())
        });
        if let Err(Problems(problems)) = outcome {
            self.problems.extend(problems.into_iter().map(|problem| problem.in_file(&file.path)));
        }
    }

    fn main(&mut self, mut root: Fields<'_, '_>, folder: &Path) {
        self.config.api = api::read(root.section("api"), folder);
        (self.config.expand, self.schedule) = poll::read(root.section("poll"));
        self.config.metrics = metrics::read(root.section("metrics"));
        self.patterns = root.list("organization_files", pattern).unwrap_or_default();
        self.credentials = credentials::read(&mut root, folder, &mut self.unique);
        let is_needed = !root.has("organization_files");
        let organizations =
            organizations::read(&mut root, is_needed, &self.schedule, &[&self.credentials], &mut self.unique);
        root.finish();
        self.config.credentials = self.credentials.usable().collect();
        self.config.organizations = organizations;
    }

    fn more(&mut self, mut root: Fields<'_, '_>, folder: &Path) {
        let own = credentials::read(&mut root, folder, &mut self.unique);
        self.config.credentials.extend(own.usable());
        let both = [&own, &self.credentials];
        let organizations = organizations::read(&mut root, true, &self.schedule, &both, &mut self.unique);
        root.finish();
        self.config.organizations.extend(organizations);
    }
}

/// A name of files, with the wildcards of a shell.
fn pattern(node: &Node) -> Result<String, Wrong> {
    let pattern = text(node)?;
    // The pattern is not shown: any value may be a secret in the wrong place.
    glob::Pattern::new(&pattern).map_err(|error| Wrong(format!("is no pattern of file names: {}", error.msg)))?;
    Ok(pattern)
}

/// Reads and validates a main file whose relative paths start at `folder`, and no other.
///
/// # Errors
/// Every problem of the source.
pub fn parse(source: &[u8], folder: &Path) -> Result<Config, Problems> {
    let main = LoadedFile { path: folder.join("config.yaml"), text: source.to_owned().into() };
    let unnamed = |Unusable { problems: Problems(problems), .. }| {
        Problems(problems.into_iter().map(|problem| Problem { file: None, ..problem }).collect())
    };
    Draft::new(&main).finished().map_err(unnamed)
}

/// The paths of all keys of the main file, list positions as `[]` and free names as `*`; for the documentation's test.
#[must_use]
pub fn known_keys() -> Vec<String> {
    let source = b"credentials: {a: {}}\norganizations: [{}]\n";
    document::known_keys(source, |root| {
        Draft::empty().main(root, Path::new(""));
        Some(())
    })
}

impl Config {
    /// Defaults for everything but what is asked and with what.
    #[must_use]
    pub fn with_defaults() -> Self {
        Self {
            api: Api::default(),
            expand: super::Expand { roles: true, groups: true },
            metrics: Metrics::default(),
            credentials: Vec::new(),
            organizations: Vec::new(),
            files: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
