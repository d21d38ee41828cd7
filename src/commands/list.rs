//! `list`: the invitations themselves, on standard output and nowhere else.
//!
//! It is the only command that shows people. Nothing of a row goes into a log line, an error or a file.

mod cells;
mod filter;
mod progress;
mod sort;
mod table;
mod write;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use csp_api::{Client, Deadline, Error, NoObserver, Sink, SinkError};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use invitations::Millis;
use invitations::census::{Criteria, Invitation, Invitations};

use super::workers::Workers;
use super::{Failure, Outcome, print, usable_configuration};
use crate::cli::List;
use crate::clock;
use crate::config::{Config, Organization};
use crate::logging;
use crate::poller::source::sink_error;
use filter::Filter;
use progress::Progress;

/// One line of the output.
pub(super) struct Row {
    organization: Arc<str>,
    invitation: Invitation,
}

pub(super) fn run(flags: &List, workers: &Workers) -> Outcome {
    workers.block_on(list(flags))?
}

async fn list(flags: &List) -> Outcome {
    let config = usable_configuration(flags.config.config_file.as_deref()).await?;
    let organizations = chosen(flags, &config)?;
    if flags.external && config.metrics.trusted_domains.is_none() {
        return Err(Failure::configuration("--external needs metrics.trusted_domains in the configuration"));
    }
    let client = Client::new(&config.api, Arc::new(NoObserver)).await.map_err(Failure::configuration)?;
    let now = clock::now();
    let fetched = fetch(&config, &client, organizations, now).await;
    let (mut rows, mut is_whole) = (Vec::new(), true);
    let filter = Filter::new(flags, now);
    for (organization, outcome) in fetched {
        match outcome {
            Ok(invitations) => {
                let name: Arc<str> = organization.name.as_str().into();
                let taken = invitations.into_iter().filter(|invitation| filter.takes(invitation));
                rows.extend(taken.map(|invitation| Row { organization: Arc::clone(&name), invitation }));
            }
            Err(error) => {
                is_whole = false;
                logging::call_failed("the invitations could not be fetched", Some(&organization.name), None, &error);
            }
        }
    }
    sort::rows(&mut rows, flags.sort);
    let width = io::stdout().is_terminal().then(|| terminal_size::terminal_size_of(io::stdout())).flatten();
    let written = write::rows(&rows, flags.format, now, width.map(|(width, _)| usize::from(width.0)));
    let (text, left_out) = written.map_err(Failure::running)?;
    print(&text)?;
    if !left_out.is_empty() {
        let columns = left_out.join(", ").replace('_', " ");
        logging::say(format!("This terminal has no place for: {columns}. `| less -S` shows all.\n"));
    }
    if is_whole { Ok(()) } else { Err(Failure::Organization) }
}

/// The organizations that are asked for, all of them by default.
fn chosen(flags: &List, config: &Config) -> Result<Vec<Arc<Organization>>, Failure> {
    let unknown = flags.organizations.iter().find(|name| !config.organizations.iter().any(|one| one.name == **name));
    if let Some(unknown) = unknown {
        let message = match config.organizations.as_slice() {
            [] => "no organization is configured".to_owned(),
            some => {
                let names: Vec<&str> = some.iter().take(10).map(|one| one.name.as_str()).collect();
                let more = if some.len() > names.len() { ", …" } else { "" };
                format!("--organization {unknown:?} is not configured; there are {}{more}", names.join(", "))
            }
        };
        return Err(Failure::configuration(message));
    }
    let is_chosen =
        |one: &&Arc<Organization>| flags.organizations.is_empty() || flags.organizations.contains(&one.name);
    Ok(config.organizations.iter().filter(is_chosen).cloned().collect())
}

type Fetched = (Arc<Organization>, Result<Vec<Invitation>, Error>);

/// Fetches each organization once, in the order of the configuration.
async fn fetch(config: &Config, client: &Client, organizations: Vec<Arc<Organization>>, now: Millis) -> Vec<Fetched> {
    // Identities are not shown: any key will do.
    let criteria = Arc::new(Criteria::new(&config.metrics));
    let mut calls: FuturesUnordered<_> = organizations
        .iter()
        .enumerate()
        .map(|(place, organization)| {
            let criteria = &criteria;
            async move {
                let sink = || RowSink(Invitations::new(Arc::clone(criteria), now));
                let deadline = Deadline::of_poll(organization.deadline);
                (place, client.invitations(&organization.target(), config.expand, &deadline, sink).await)
            }
        })
        .collect();
    let mut progress = Progress::new(organizations.len());
    let mut outcomes = Vec::with_capacity(organizations.len());
    while let Some(outcome) = progress.beside(calls.next(), outcomes.len()).await {
        outcomes.push(outcome);
    }
    drop(calls);
    progress.clear();
    outcomes.sort_by_key(|(place, _)| *place);
    organizations.into_iter().zip(outcomes.into_iter().map(|(_, outcome)| outcome)).collect()
}

/// Feeds a body into the rows.
struct RowSink(Invitations);

impl Sink for RowSink {
    type Output = Vec<Invitation>;

    fn write(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        self.0.write(chunk).map_err(|error| sink_error(&error))
    }

    fn finish(self) -> Result<Vec<Invitation>, SinkError> {
        self.0.finish().map_err(|error| sink_error(&error))
    }
}
