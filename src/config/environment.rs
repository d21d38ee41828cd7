//! One credential and its organizations from the environment, for starts without a file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use exporter_toolkit::document::Wrong;

use super::credentials::client_id;
use super::organizations::is_guid;
use super::poll::Schedule;
use super::{Config, Credential, CredentialKind, Organization, Problem, Problems, Secret, api};

/// The variables that are read, for the documentation's test.
pub const VARIABLES: [&str; 7] = [
    "CSP_ORGANIZATION_ID",
    "CSP_API_TOKEN_FILE",
    "CSP_API_TOKEN",
    "CSP_CLIENT_ID",
    "CSP_CLIENT_SECRET_FILE",
    "CSP_CLIENT_SECRET",
    "CSP_URL",
];

/// The configuration that the variables make, everything else at its default; `None` when
/// `CSP_ORGANIZATION_ID` is not set. Values are trimmed; an empty one counts
/// as not set.
///
/// # Errors
/// Every problem of the variables, by their names; values are not shown.
pub(super) fn from_environment(get: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<Config>, Problems> {
    let mut variables = Variables { get, problems: Vec::new() };
    let Some(ids) = variables.text("CSP_ORGANIZATION_ID") else {
        let Variables { problems, .. } = variables;
        return if problems.is_empty() { Ok(None) } else { Err(Problems(problems)) };
    };
    let mut config = Config::with_defaults();
    if let Some(url) = variables.checked("CSP_URL", api::base_url) {
        config.api.url = url;
    }
    let ids = variables.ids(&ids);
    let kind = variables.credential();
    let Variables { problems, .. } = variables;
    match kind {
        Some(kind) if problems.is_empty() => {
            let credential = Arc::new(Credential { name: "environment".to_owned(), kind, url: None });
            config.organizations = ids.into_iter().map(|id| organization(id, &credential)).collect();
            config.credentials = vec![credential];
            config.warn_of_plain_http("CSP_URL");
            Ok(Some(config))
        }
        _ => Err(Problems(problems)),
    }
}

fn organization(id: String, credential: &Arc<Credential>) -> Arc<Organization> {
    let schedule = Schedule::default();
    let interval = schedule.interval;
    Arc::new(Organization {
        name: id.clone(),
        id,
        custom_group_id: None,
        credential: Arc::clone(credential),
        interval,
        deadline: schedule.deadline(interval),
        stale_after: schedule.stale_after(interval),
    })
}

struct Variables<'g> {
    get: &'g dyn Fn(&str) -> Option<OsString>,
    problems: Vec<Problem>,
}

impl Variables<'_> {
    fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(Problem { path: name.to_owned(), ..Problem::general(message) });
    }

    /// The trimmed value; files of variables end their lines in more ways than one, and no value ends with a blank.
    fn text(&mut self, name: &str) -> Option<String> {
        let Ok(text) = (self.get)(name)?.into_string() else {
            self.problem(name, "is not UTF-8 text");
            return None;
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A value that obeys the same rule as its key in the file.
    fn checked<T>(&mut self, name: &str, check: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let text = self.text(name)?;
        check(&text).map_err(|wrong| self.problem(name, wrong.0)).ok()
    }

    /// A path, which need not be UTF-8.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let value = (self.get)(name)?;
        let trimmed = value.to_str().map(|text| PathBuf::from(text.trim()));
        Some(trimmed.unwrap_or_else(|| value.into())).filter(|path| !path.as_os_str().is_empty())
    }

    fn ids(&mut self, list: &str) -> Vec<String> {
        let ids: Vec<String> = list.split(',').map(|id| id.trim().to_owned()).collect();
        for (index, id) in ids.iter().enumerate() {
            if !is_guid(id) {
                let message = format!("item {} must be a GUID such as 01234567-89ab-cdef-0123-456789abcdef", index + 1);
                self.problem("CSP_ORGANIZATION_ID", message);
            } else if ids[..index].iter().any(|other| other.eq_ignore_ascii_case(id)) {
                self.problem("CSP_ORGANIZATION_ID", format!("item {} is there twice", index + 1));
            }
        }
        ids
    }

    /// The secret in the file that one variable names, or in the other variable itself.
    fn secret(&mut self, file: &str, inline: &str) -> Option<Secret> {
        let path = self.path(file);
        let value = self.text(inline);
        match (path, value) {
            (Some(_), Some(_)) => {
                self.problem(inline, format!("is set beside {file}: unset one of them"));
                None
            }
            (Some(path), None) => Some(Secret::File(path)),
            (None, Some(value)) => Some(Secret::Inline(value.into())),
            (None, None) => None,
        }
    }

    fn credential(&mut self) -> Option<CredentialKind> {
        let before = self.problems.len();
        let token = self.secret("CSP_API_TOKEN_FILE", "CSP_API_TOKEN");
        let client_id = self.checked("CSP_CLIENT_ID", client_id);
        let client_secret = self.secret("CSP_CLIENT_SECRET_FILE", "CSP_CLIENT_SECRET");
        let message = match (token, client_id, client_secret) {
            (Some(token), None, None) => return Some(CredentialKind::ApiToken { token }),
            (None, Some(client_id), Some(client_secret)) => {
                return Some(CredentialKind::OAuthApp { client_id, client_secret });
            }
            // What is said already explains what is missing here.
            _ if self.problems.len() > before => return None,
            (Some(_), _, _) => "an API token and a client are both given: unset the variables of one of them",
            (None, Some(_), None) => "CSP_CLIENT_ID needs CSP_CLIENT_SECRET_FILE or CSP_CLIENT_SECRET beside it",
            (None, None, Some(_)) => "a client secret needs CSP_CLIENT_ID beside it",
            (None, None, None) => {
                "CSP_ORGANIZATION_ID needs CSP_API_TOKEN_FILE or CSP_API_TOKEN, or CSP_CLIENT_ID with \
                 CSP_CLIENT_SECRET_FILE or CSP_CLIENT_SECRET"
            }
        };
        self.problems.push(Problem::general(message));
        None
    }
}
