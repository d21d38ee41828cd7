//! `check`, the part that needs no network: what would run, and what stands in its way.

mod estimate;
mod secret;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use csp_api::{BuildError, Client, Proxies};
use futures_util::future::join_all;
use tokio::time::Instant;
use url::Url;

use crate::cli::{Check, EXIT_FAILURE};
use crate::config::{Config, Credential, CredentialKind, Organization, Problems, Unusable};
use crate::poller::capacity;
use crate::shard::Shard;
use estimate::Series;

/// What `check` has to say.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What would run, to read from top to bottom. Never a secret's value.
    pub(super) lines: Vec<String>,
    /// What works, but is hardly meant.
    pub(super) warnings: Vec<String>,
    /// What has to be repaired.
    pub(super) problems: Vec<String>,
}

impl Report {
    /// The exit code: 0, or 1 with a problem.
    pub(super) fn exit_code(&self) -> u8 {
        if self.problems.is_empty() { 0 } else { EXIT_FAILURE }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lines, warnings, problems } = self;
        for line in lines {
            writeln!(f, "{line}")?;
        }
        for warning in warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for problem in problems {
            writeln!(f, "problem: {problem}")?;
        }
        match problems.len() {
            0 => writeln!(f, "ok"),
            1 => writeln!(f, "1 problem"),
            count => writeln!(f, "{count} problems"),
        }
    }
}

/// Checks what the flags name: `configuration` is what [`crate::config::obtain`] made of them, `web` validates a web
/// configuration. All problems of both are in the report.
pub(super) async fn offline(
    check: &Check,
    configuration: &Result<Config, Unusable>,
    web: impl AsyncFnOnce(&Path) -> Result<(), Problems>,
) -> Report {
    let mut report = match configuration {
        Ok(config) => report(config, check.sharding.shard).await,
        Err(unusable) => unusable_files(unusable).await,
    };
    if let Some(path) = &check.web_config_file {
        match web(path).await {
            Ok(()) => report.lines.push(format!("web configuration: {} is fine", path.display())),
            Err(problems) => {
                let described = problems.iter().map(|problem| format!("{}: {problem}", path.display()));
                report.problems.extend(described);
            }
        }
    }
    report
}

/// Everything that is wrong with files that cannot be used: also with what they refer to, so that it is repaired in one round.
async fn unusable_files(Unusable { problems, rest }: &Unusable) -> Report {
    let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (credential, look) in rest.credentials.iter().zip(looks(rest).await) {
        problems.extend(look.err().map(|problem| format!("credentials.{}: {problem}", credential.name)));
    }
    let of_client = Client::problems(&rest.api).await;
    // What lacks its counterpart has been said with its line.
    let of_client = of_client.iter().filter(|problem| !matches!(problem, BuildError::Incomplete(_)));
    problems.extend(of_client.map(ToString::to_string));
    Report { problems, ..Report::default() }
}

/// What would run with `config`. Looks at the files of secrets and of TLS, but sends nothing.
pub(super) async fn report(config: &Config, shard: Option<Shard>) -> Report {
    let mut report = Report::default();
    let here = |organization: &&Arc<Organization>| shard.is_none_or(|shard| shard.owns(&organization.key()));
    let polled: Vec<&Arc<Organization>> = config.organizations.iter().filter(here).collect();

    report.lines.extend(files(config));
    // What is wrong with a proxy is among the client's problems.
    let proxies = Proxies::of_process(&config.api).ok();
    for (place, url) in consoles(config) {
        report.lines.push(format!("API{place}: {url}"));
        report.lines.extend(proxies.as_ref().map(|proxies| format!("proxy{place}: {}", proxies.route(&url))));
    }
    let total = config.organizations.len();
    report.lines.push(match shard {
        Some(shard) => format!("organizations: {} of {total}, those of shard {shard}", polled.len()),
        None => format!("organizations: {total}"),
    });
    if polled.is_empty() {
        let of = if shard.is_some() { "belongs to this shard" } else { "is configured" };
        report.warnings.push(format!("no organization {of}"));
    }
    for organization in &config.organizations {
        let place = if here(&organization) { "" } else { "  (another shard)" };
        report.lines.push(format!("  {}{place}", describe(organization)));
    }
    credentials(config, &mut report).await;
    report.problems.extend(Client::problems(&config.api).await.iter().map(ToString::to_string));

    let series = Series::of(config, polled.len());
    report.lines.push(format!("series: typically about {}, at most {}", series.typical, series.upper));
    report.lines.push(format!("requests per minute: about {:.1}", capacity::demand(polled, 1.0)));
    report.warnings.extend(capacity::shortfalls(config, shard));
    report.warnings.extend(config.warnings.iter().cloned());
    report
}

/// What was read: the main file, and those of organizations beside it.
fn files(config: &Config) -> Vec<String> {
    let Some((main, others)) = config.files.split_first() else {
        return vec!["configuration: environment variables".to_owned()];
    };
    let others = others.iter().map(|file| format!("  {}", file.display()));
    std::iter::once(format!("configuration: {}", main.display())).chain(others).collect()
}

/// Where organizations are asked: the usual console, and those of credentials that name another one.
fn consoles(config: &Config) -> Vec<(String, Url)> {
    let own = config.credentials.iter().filter_map(|credential| Some((credential, credential.url.clone()?)));
    let own = own.map(|(credential, url)| (format!(" of credentials.{}", credential.name), url));
    std::iter::once((String::new(), config.api.url.clone())).chain(own).collect()
}

fn describe(organization: &Organization) -> String {
    let Organization { id, custom_group_id, name, credential, interval, deadline, stale_after } = organization;
    let group = custom_group_id.as_ref().map(|group| format!(", of group {group} alone")).unwrap_or_default();
    format!(
        "{name}: id {id}{group}, every {interval:?}, deadline {deadline:?}, withdrawn after {stale_after:?}, credential {} ({})",
        credential.name,
        kind(credential)
    )
}

fn kind(credential: &Credential) -> &'static str {
    match credential.kind {
        CredentialKind::ApiToken { .. } => "API token",
        CredentialKind::OAuthApp { .. } => "OAuth app",
    }
}

/// Looks at the secret of each credential, at all of them together: files that hang are waited for once.
async fn looks(config: &Config) -> Vec<Result<secret::Seen, String>> {
    let deadline = Instant::now() + file_reader::PATIENCE;
    join_all(config.credentials.iter().map(|credential| secret::look(credential, deadline))).await
}

async fn credentials(config: &Config, report: &mut Report) {
    report.lines.push(format!("credentials: {}", config.credentials.len()));
    let mut users: HashMap<&str, Vec<String>> = HashMap::new();
    for organization in &config.organizations {
        users.entry(&organization.credential.name).or_default().push(organization.id.to_ascii_lowercase());
    }
    for (credential, look) in config.credentials.iter().zip(looks(config).await) {
        let name = &credential.name;
        let mut organizations = users.remove(name.as_str()).unwrap_or_default();
        let count = organizations.len();
        let state = match look {
            Ok(seen) => {
                report.warnings.extend(seen.warning.map(|warning| format!("credentials.{name}: {warning}")));
                seen.described
            }
            Err(problem) => {
                report.problems.push(format!("credentials.{name}: {problem}"));
                "unusable".to_owned()
            }
        };
        report.lines.push(format!("  {name}: {}, {state}, of {count} organization(s)", kind(credential)));
        if count == 0 {
            report.warnings.push(format!("credentials.{name}: no organization uses it"));
        }
        organizations.sort();
        organizations.dedup();
        if organizations.len() > 1 && matches!(credential.kind, CredentialKind::ApiToken { .. }) {
            let message = "an API token has rights in one organization only: the others will likely be `forbidden`";
            report.warnings.push(format!("credentials.{name}: {message}"));
        }
    }
}
