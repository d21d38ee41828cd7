//! Reading the configuration's files, at the start and again at each reload.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exporter_toolkit::document::MAX_SOURCE;
use file_reader::{Content, ReadError};
use futures_util::{StreamExt as _, stream};
use glob::MatchOptions;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::file::{Draft, LoadedFile, Unusable};
use super::{Config, Problem, Problems, environment};

/// Files of organizations that are read at once.
const AT_ONCE: usize = 32;
/// What all of them together may have in bytes: millions of organizations.
const MOST: usize = 256 << 20;

/// Where the configuration comes from, again at each reload. Every call ends within
/// [`file_reader::PATIENCE`] plus the time that it takes to make sense of what was read, whatever the disk does.
#[derive(Debug)]
pub(crate) struct Loader {
    origin: Origin,
    /// What the files held that were read last.
    last: Mutex<Option<Fingerprint>>,
}

#[derive(Debug)]
enum Origin {
    File(PathBuf),
    Environment,
    Fixed(Box<Config>),
}

impl Loader {
    /// The configuration of `file`, or that of the environment when there is none.
    #[must_use]
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { origin: file.map_or(Origin::Environment, Origin::File), last: Mutex::new(None) }
    }

    /// A configuration that never changes.
    #[must_use]
    pub(crate) fn fixed(config: Config) -> Self {
        Self { origin: Origin::Fixed(Box::new(config)), last: Mutex::new(None) }
    }

    /// Reads and validates everything. Secret files are not looked at: a missing one fails its organizations' polls,
    /// not the others'.
    ///
    /// # Errors
    /// Every problem of every file, or of the variables.
    pub(crate) async fn load(&self) -> Result<Config, Unusable> {
        let get = |name: &str| std::env::var_os(name);
        match &self.origin {
            Origin::Fixed(config) => Ok(Config::clone(config)),
            Origin::Environment => Ok(from_environment(&get)?),
            Origin::File(path) => self.load_files(path).await,
        }
    }

    /// Whether the files hold something else than at the last [`Loader::load`], or are other ones.
    pub(crate) async fn has_changed(&self) -> bool {
        let (Origin::File(path), Some(last)) = (&self.origin, self.last.lock().clone()) else { return false };
        let deadline = Instant::now() + file_reader::PATIENCE;
        let main = read_main(path, deadline).await;
        if hash(&main) != last.main {
            return true;
        }
        let others = Others::read(path, &last.patterns, deadline).await;
        others.hash() != last.others
    }

    async fn load_files(&self, path: &Path) -> Result<Config, Unusable> {
        let deadline = Instant::now() + file_reader::PATIENCE;
        let main = read_main(path, deadline).await;
        let mut fingerprint = Fingerprint { main: hash(&main), patterns: Arc::default(), others: None };
        let main = match main {
            Ok(text) => LoadedFile { path: path.to_owned(), text },
            Err(error) => {
                *self.last.lock() = Some(fingerprint);
                return Err(unreadable(path, &error).into());
            }
        };
        let draft = elsewhere(move || Draft::new(&main)).await?;
        fingerprint.patterns = draft.patterns().into();
        let others = Others::read(path, &fingerprint.patterns, deadline).await;
        fingerprint.others = others.hash();
        *self.last.lock() = Some(fingerprint);
        elsewhere(move || others.add_to(draft).finished()).await?
    }
}

/// Reads and validates the configuration file and those that it names.
///
/// # Errors
/// Every problem of every file.
pub async fn load(path: &Path) -> Result<Config, Unusable> {
    Loader::new(Some(path.to_owned())).load_files(path).await
}

fn from_environment(get: &dyn Fn(&str) -> Option<OsString>) -> Result<Config, Problems> {
    environment::from_environment(get)?.ok_or_else(|| {
        Problem::general(
            "no organization is configured: give --config.file, or set CSP_ORGANIZATION_ID with \
             CSP_API_TOKEN_FILE, or with CSP_CLIENT_ID and CSP_CLIENT_SECRET_FILE",
        )
        .into()
    })
}

/// The configuration of `file`, or of the environment when there is none. With both the file counts: it says more;
/// `is_overruled` tells.
///
/// # Errors
/// Every problem of the files or the variables.
pub async fn obtain(file: Option<&Path>, get: &(dyn Fn(&str) -> Option<OsString> + Sync)) -> Result<Config, Unusable> {
    match file {
        Some(file) => load(file).await,
        None => Ok(from_environment(get)?),
    }
}

/// Whether the environment names organizations that do not count, because there is a file.
#[must_use]
pub(crate) fn is_overruled(file: Option<&Path>, get: &dyn Fn(&str) -> Option<OsString>) -> bool {
    file.is_some()
        && get("CSP_ORGANIZATION_ID").is_some_and(|value| value.to_str().is_none_or(|text| !text.trim().is_empty()))
}

/// What tells the files of one moment from those of another.
#[derive(Debug, Clone)]
struct Fingerprint {
    main: Option<blake3::Hash>,
    patterns: Arc<[String]>,
    others: Option<blake3::Hash>,
}

/// `None` when it could not be read.
fn hash(content: &Result<Content, ReadError>) -> Option<blake3::Hash> {
    content.as_ref().ok().map(|content| blake3::hash(content))
}

async fn read_main(path: &Path, deadline: Instant) -> Result<Content, ReadError> {
    file_reader::read(path, MAX_SOURCE, deadline).await
}

/// The files beside the main one.
#[derive(Debug, Default)]
struct Others {
    files: Vec<(PathBuf, Result<Content, ReadError>)>,
    /// Patterns that match nothing.
    idle: Vec<String>,
    problems: Vec<Problem>,
}

impl Others {
    async fn read(main: &Path, patterns: &[String], deadline: Instant) -> Self {
        let mut others = Self::default();
        // A file that is matched twice, under whatever name, counts once.
        let mut known = HashSet::new();
        let mut paths = Vec::new();
        if !patterns.is_empty() {
            known.extend(canonical(main, deadline).await);
        }
        for pattern in patterns {
            match matches(main, pattern, deadline).await {
                Ok(found) if found.is_empty() => others.idle.push(pattern.clone()),
                Ok(found) => {
                    paths.extend(found.into_iter().filter_map(|(path, target)| known.insert(target).then_some(path)));
                }
                Err(error) => others.problems.push(Problem {
                    path: "organization_files".to_owned(),
                    message: format!("the files of {pattern} can't be listed: {error}"),
                    ..Problem::general("").in_file(main)
                }),
            }
        }
        let read = |path: PathBuf| async move {
            // When others have taken all of the time, it is they who are named.
            let is_late = Instant::now() >= deadline;
            let text = file_reader::read(&path, MAX_SOURCE, deadline).await;
            (!is_late).then_some((path, text))
        };
        let files = stream::iter(paths).map(read).buffered(AT_ONCE).filter_map(std::future::ready);
        others.files = files.collect().await;
        if others.files.iter().map(|(_, text)| text.as_ref().map_or(0, |text| text.len())).sum::<usize>() > MOST {
            others.problems.push(Problem::general("the organization files are too large together").in_file(main));
        }
        others
    }

    fn hash(&self) -> Option<blake3::Hash> {
        let Self { files, idle: _, problems } = self;
        if !problems.is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        for (path, text) in files {
            let text = hash(text).map_or([0; 32], |hash| *hash.as_bytes());
            hasher.update(blake3::hash(path.as_os_str().as_encoded_bytes()).as_bytes()).update(&text);
        }
        Some(hasher.finalize())
    }

    fn add_to(self, mut draft: Draft) -> Draft {
        let Self { files, idle, problems } = self;
        for pattern in idle {
            draft.warning(format!("organization_files: no file matches {pattern}"));
        }
        for problem in problems {
            draft.problem(problem);
        }
        for (path, text) in files {
            match text {
                Ok(text) => draft.add(&LoadedFile { path, text }),
                Err(error) => draft.problem(unreadable(&path, &error)),
            }
        }
        draft
    }
}

fn unreadable(path: &Path, error: &ReadError) -> Problem {
    Problem::general(format!("{} can't be read: {error}", path.display()))
}

/// Where a path leads, if anywhere.
async fn canonical(path: &Path, deadline: Instant) -> Option<PathBuf> {
    let owned = path.to_owned();
    file_reader::ask(path, deadline, move |_| Ok(fs::canonicalize(owned)?)).await.ok()
}

/// The files that a pattern matches, in the order of their names, each with where it leads.
async fn matches(main: &Path, pattern: &str, deadline: Instant) -> Result<Vec<(PathBuf, PathBuf)>, ReadError> {
    let invalid = |message: &str| ReadError::from(io::Error::new(io::ErrorKind::InvalidInput, message));
    let folder = main.parent().unwrap_or(Path::new(""));
    let folder = folder.to_str().ok_or_else(|| invalid("the name of the folder is not UTF-8 text"))?;
    // Wildcards are those of the pattern, not what the folder happens to be called.
    let whole = Path::new(&glob::Pattern::escape(folder)).join(pattern);
    let text = whole.to_str().unwrap_or(pattern).to_owned();
    file_reader::ask(&whole, deadline, move |until| {
        // As a shell: what an editor or a ConfigMap hides behind a dot is matched by no wildcard.
        let options =
            MatchOptions { require_literal_leading_dot: true, require_literal_separator: true, case_sensitive: true };
        let found = glob::glob_with(&text, options).map_err(|error| invalid(error.msg))?;
        let mut paths = Vec::new();
        for path in found {
            let path = path.map_err(|error| ReadError::from(io::Error::from(error)))?;
            let target = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            paths.push((path, target));
            if std::time::Instant::now() >= until {
                return Err(ReadError::from(io::Error::new(io::ErrorKind::TimedOut, "too many folders to look into")));
            }
        }
        Ok(paths)
    })
    .await
}

/// Makes sense of many organizations off the runtime's workers: it takes its time.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problems> {
    let panicked = |_| Problem::general("the configuration could not be read: a fault in the exporter itself").into();
    tokio::task::spawn_blocking(work).await.map_err(panicked)
}
