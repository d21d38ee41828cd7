//! `check`: validate, say what would run, and with `--online` try it.

mod report;
mod shape;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use csp_api::{Api, Client, Deadline, Error, NoObserver, Operation, console};
use exporter_toolkit::web::Access;
use futures_util::future::join_all;
use invitations::Millis;
use invitations::census::CensusBuilder;

use super::workers::Workers;
use super::{Failure, Outcome, configuration, print};
use crate::cli::Check;
use crate::clock;
use crate::config::{Config, Credential, CredentialKind, Organization};
use crate::poller::QUESTION_DEADLINE;
use crate::poller::source::Upstream;
use crate::state::Lifecycle;
use report::{Report, offline};

pub(super) fn run(flags: &Check, workers: &Workers) -> Outcome {
    workers.block_on(check(flags))?
}

async fn check(flags: &Check) -> Outcome {
    let configuration = configuration(flags.config.config_file.as_deref()).await;
    let is_overruled = super::is_overruled(flags.config.config_file.as_deref());
    let mut report = offline(flags, &configuration, async |path| Access::load(Some(path)).await.map(drop)).await;
    report.warnings.extend(is_overruled.then(|| super::OVERRULED.to_owned()));
    if flags.shape {
        return shape(flags, configuration.as_ref().ok(), &report).await;
    }
    if let (true, Ok(config)) = (flags.online, &configuration) {
        let organizations = own(flags, config);
        // Why there is none has been said.
        if let Ok(client) = Client::new(&config.api, Arc::new(NoObserver)).await {
            for tried in attempt(config, client, organizations).await {
                match tried {
                    Tried::Fine(line) => report.lines.push(line),
                    Tried::Warning(warning) => report.warnings.push(warning),
                    Tried::Problem(problem) => report.problems.push(problem),
                }
            }
        }
    }
    print(report.to_string().as_bytes())?;
    if report.exit_code() == 0 { Ok(()) } else { Err(Failure::Told) }
}

/// The organizations of this shard.
fn own(flags: &Check, config: &Config) -> Vec<Arc<Organization>> {
    let shard = flags.sharding.shard;
    let here = |organization: &&Arc<Organization>| shard.is_none_or(|shard| shard.owns(&organization.key()));
    config.organizations.iter().filter(here).cloned().collect()
}

/// Prints the shape report and nothing else; what stands in its way goes to standard error.
async fn shape(flags: &Check, config: Option<&Config>, offline: &Report) -> Outcome {
    let Some(config) = config else { return Err(Failure::Running(offline.to_string())) };
    let (text, is_whole) = shape::reports(config, &own(flags, config)).await;
    print(text.as_bytes())?;
    match (offline.problems.is_empty(), is_whole) {
        (false, _) => Err(Failure::Running(offline.to_string())),
        (true, false) => Err(Failure::Told),
        (true, true) => Ok(()),
    }
}

enum Tried {
    Fine(String),
    /// No poll depends on it.
    Warning(String),
    Problem(String),
}

/// Exchanges each credential, fetches each organization once, and asks when each API token runs out; all at the pace
/// that the settings allow.
async fn attempt(config: &Config, client: Client, organizations: Vec<Arc<Organization>>) -> Vec<Tried> {
    let upstream = Upstream::new(config, client.clone(), Arc::new(Lifecycle::in_memory()));
    let lists = join_all(organizations.iter().map(|organization| list(&upstream, config, organization)));
    let is_token = |credential: &&Arc<Credential>| matches!(credential.kind, CredentialKind::ApiToken { .. });
    let tokens = join_all(config.credentials.iter().filter(is_token).map(|credential| token(&client, credential)));
    // A list exchanges its credential; the others are exchanged for their own sake.
    let used: HashSet<&str> = organizations.iter().map(|one| one.credential.name.as_str()).collect();
    let is_idle = |credential: &&Arc<Credential>| !used.contains(credential.name.as_str());
    let idle =
        join_all(config.credentials.iter().filter(is_idle).map(|credential| exchange(&client, config, credential)));
    let (lists, tokens, idle) = tokio::join!(lists, tokens, idle);
    lists.into_iter().chain(idle).chain(tokens).collect()
}

async fn exchange(client: &Client, config: &Config, credential: &Arc<Credential>) -> Tried {
    let place = format!("online: credentials.{}", credential.name);
    match client.exchange(credential, &Deadline::of_poll(QUESTION_DEADLINE)).await {
        Ok(()) => Tried::Fine(format!("{place}: accepted")),
        Err(error) => Tried::Problem(explain_exchange(&place, &error, config, credential)),
    }
}

async fn list(upstream: &Upstream, config: &Config, organization: &Arc<Organization>) -> Tried {
    let Organization { name, credential, deadline, .. } = &**organization;
    let (criteria, client) = (upstream.criteria(), upstream.client());
    let sink = || crate::poller::source::ListSink(CensusBuilder::new(Arc::clone(criteria), clock::now()));
    match client.invitations(&organization.target(), upstream.expand(), &Deadline::of_poll(*deadline), sink).await {
        Ok(whole) => Tried::Fine(format!("online: {name}: {} invitations", whole.len())),
        Err(error) if error.operation == Operation::Token => Tried::Problem(explain_exchange(
            &format!("online: {name}: credentials.{}", credential.name),
            &error,
            config,
            credential,
        )),
        Err(error) => Tried::Problem(explain(&format!("online: {name}"), &error)),
    }
}

async fn token(client: &Client, credential: &Credential) -> Tried {
    let place = format!("online: credentials.{}", credential.name);
    match client.token_details(credential, &Deadline::of_question(QUESTION_DEADLINE)).await {
        Ok((_, Some(expiration))) => {
            let days = Millis::from(expiration).since(clock::now()) / Millis::DAY;
            Tried::Fine(format!("{place}: the API token runs out in {days} days"))
        }
        Ok((_, None)) => Tried::Fine(format!("{place}: the service does not tell when the API token runs out")),
        Err(error) => Tried::Warning(explain(&format!("{place}: cannot be asked when the API token runs out"), &error)),
    }
}

/// What failed, what it means and what to do, over three lines.
fn explain(place: &str, error: &Error) -> String {
    let mut text = format!("{place}: {error}");
    // Writing to a string cannot fail.
    let _ = write!(text, "\n  it means: {}\n  what to do: {}", error.meaning(), error.action());
    text
}

/// The same for an exchange: what a console refuses, another one may know.
fn explain_exchange(place: &str, error: &Error, config: &Config, credential: &Credential) -> String {
    let mut text = explain(place, error);
    if matches!(error.status, Some(400 | 401 | 404)) {
        let Api { url, consoles, .. } = &config.api;
        let asked = credential.url.as_ref().unwrap_or(url);
        let configured: Vec<_> = std::iter::once(url).chain(consoles).cloned().collect();
        let _ = write!(text, "\n  or: {}", console::advice(asked, &configured));
    }
    text
}
