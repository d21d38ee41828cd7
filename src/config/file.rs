//! The configuration file, and what takes its place.

use std::ffi::OsString;
use std::path::Path;

use exporter_toolkit::document::{self, Fields};
use tokio::time::Instant;

use super::{Api, Config, Metrics, Problem, Problems, environment};
use super::{api, credentials, metrics, organizations, poll};

/// Reads and validates the configuration file. Secret files are not looked at: a missing one fails its
/// organizations' polls, not the others'.
///
/// # Errors
/// Every problem of the file.
pub async fn load(path: &Path) -> Result<Config, Problems> {
    let unreadable = |error| Problem::general(format!("{} can't be read: {error}", path.display()));
    let deadline = Instant::now() + file_reader::PATIENCE;
    let source = file_reader::read(path, document::MAX_SOURCE, deadline).await.map_err(unreadable)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    // Many organizations take their time: off the runtime's workers.
    let parsed = tokio::task::spawn_blocking(move || parse(&source, &folder));
    parsed.await.unwrap_or_else(|_| Err(Problem::general("reading the configuration panicked").into()))
}

/// Reads and validates a configuration whose relative paths start at `folder`.
///
/// # Errors
/// Every problem of the source.
pub fn parse(source: &[u8], folder: &Path) -> Result<Config, Problems> {
    document::read(source, |root| config(root, folder))
}

/// The paths of all keys of the file, list positions as `[]` and free names as `*`; for the documentation's test.
#[must_use]
pub fn known_keys() -> Vec<String> {
    let source = b"credentials: {a: {}}\norganizations: [{}]\n";
    document::known_keys(source, |root| config(root, Path::new("")))
}

/// The configuration of `file`, or of the environment when there is none. With both the file counts: it says more;
/// [`is_overruled`] tells.
///
/// # Errors
/// Every problem of the file or the variables.
pub async fn obtain(file: Option<&Path>, get: &(dyn Fn(&str) -> Option<OsString> + Sync)) -> Result<Config, Problems> {
    let Some(file) = file else {
        return environment::from_environment(get)?.ok_or_else(|| {
            Problem::general(
                "no organization is configured: give --config.file, or set CSP_ORGANIZATION_ID with \
                 CSP_API_TOKEN_FILE, or with CSP_CLIENT_ID and CSP_CLIENT_SECRET_FILE",
            )
            .into()
        });
    };
    load(file).await
}

/// Whether the environment names organizations that do not count, because there is a file.
#[must_use]
pub fn is_overruled(file: Option<&Path>, get: &dyn Fn(&str) -> Option<OsString>) -> bool {
    file.is_some()
        && get("CSP_ORGANIZATION_ID").is_some_and(|value| value.to_str().is_none_or(|text| !text.trim().is_empty()))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature that the reader asks for")]
fn config(mut root: Fields<'_, '_>, folder: &Path) -> Option<Config> {
    let api = api::read(root.section("api"), folder);
    let (expand, schedule) = poll::read(root.section("poll"));
    let metrics = metrics::read(root.section("metrics"));
    let credentials = credentials::read(&mut root, folder);
    let organizations = organizations::read(&mut root, &schedule, &credentials);
    root.finish();
    let credentials = credentials.into_iter().filter_map(|(_, credential)| credential).collect();
    Some(Config { api, expand, metrics, credentials, organizations })
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
        }
    }
}
