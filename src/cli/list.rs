//! Flags of `list`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use exporter_toolkit::document::parse_duration;
use invitations::Status;

use super::{ConfigFile, Log};
use crate::build_info::LONG_VERSION;

/// Flags of `list`. All filters must hold.
#[derive(Debug, Args)]
#[command(version = LONG_VERSION)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct List {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only this organization, by its configured name; give it several times for several
    #[arg(long = "organization", value_name = "NAME")]
    pub organizations: Vec<String>,
    /// Only invitations of this status; give it several times for several [default: available]
    #[arg(long = "status", value_name = "STATUS", value_parser = status)]
    pub statuses: Vec<Status>,
    /// Only invitations that carry this role, of any kind, as the service writes it
    #[arg(long = "role", value_name = "NAME")]
    pub role: Option<String>,
    /// Only invitations that carry this group
    #[arg(long = "group", value_name = "NAME-OR-ID")]
    pub group: Option<String>,
    /// Only invitations with a privileged role, directly or through an expanded group
    #[arg(long = "privileged")]
    pub privileged: bool,
    /// Only invitations whose mail domain is not trusted; needs `metrics.trusted_domains`
    #[arg(long = "external")]
    pub external: bool,
    /// Only available invitations beyond the first for the same username
    #[arg(long = "duplicate")]
    pub duplicate: bool,
    /// Only people who were lost: expired, with no later invitation that is available or redeemed
    #[arg(long = "lapsed")]
    pub lapsed: bool,
    /// Only invitations that were generated at least this long ago
    #[arg(long = "older-than", value_name = "DURATION", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// Only invitations that run out within this time
    #[arg(long = "expires-within", value_name = "DURATION", value_parser = duration)]
    pub expires_within: Option<Duration>,
    /// What comes out
    #[arg(id = "list-format", long = "format", value_name = "FORMAT", value_enum, default_value = "table")]
    pub format: ListFormat,
    /// What comes first: what runs out next, the oldest, or by name
    #[arg(long = "sort", value_name = "KEY", value_enum, default_value = "expires")]
    pub sort: Sort,
    #[command(flatten)]
    pub log: Log,
}

impl List {
    /// The statuses to show: those that were asked for, else what the other filters imply.
    #[must_use]
    pub(crate) fn statuses(&self) -> Vec<Status> {
        match (self.statuses.is_empty(), self.lapsed) {
            (false, _) => self.statuses.clone(),
            (true, true) => vec![Status::Expired],
            (true, false) => vec![Status::Available],
        }
    }
}

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Columns that fit the terminal
    Table,
    /// Comma-separated values, one row an invitation
    Csv,
    /// An array of objects
    Json,
    /// A table for a ticket or a chat
    Markdown,
}

/// The order of a list; what has no such time comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// By expiration, the next one first
    Expires,
    /// By generation, the oldest first
    Generated,
    /// By the invitee's name
    Username,
}

fn status(text: &str) -> Result<Status, String> {
    let known = || Status::ALL.iter().map(|status| status.as_str());
    let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", known().collect::<Vec<_>>().join(", ")))
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as 30m, 24h or 7d".to_owned())
}
