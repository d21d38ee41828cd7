//! What a metric family is: one row of the table.

use exporter_toolkit::exposition::{Encoding, Header, Kind, Writer};
use exporter_toolkit::process::ProcessSample;
use invitations::census::View;
use prometheus_client::registry::{Registry, Unit};

use super::samples::Samples;
use crate::snapshot::{DataState, OrganizationSnapshot, Snapshot};

/// What a family speaks of: a chapter of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chapter {
    /// Counts from the last good list.
    Invitations,
    /// Events between two polls.
    Lifecycle,
    /// How the polls of an organization go.
    Polling,
    /// Calls of the upstream.
    Api,
    /// The exporter itself.
    Exporter,
    /// The standard families of a process.
    Process,
}

/// What produces the samples of a family.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Producer {
    /// From what is known of one organization.
    Organization(Produce),
    /// From the snapshot as a whole.
    Snapshot(fn(&Snapshot, &mut Samples<'_>)),
    /// From the histograms of the API's operations.
    Durations,
    /// From a metric that lives in a registry and is counted up as things happen.
    Registered,
    /// From the operating system, at the time of the scrape.
    Process(fn(&ProcessSample) -> Option<f64>),
}

/// Adds the samples of one family and one organization.
pub(crate) type Produce = fn(&OrganizationData<'_>, &mut Samples<'_>);

/// What a row of the table gets to produce the samples of one organization at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrganizationData<'a> {
    /// The newest that is known.
    pub snapshot: &'a OrganizationSnapshot,
    /// How current it is.
    pub state: DataState,
    /// The numbers to show; none while waiting or withdrawn.
    pub view: Option<&'a View>,
}

impl<'a> OrganizationData<'a> {
    pub(super) fn new(snapshot: &'a OrganizationSnapshot, state: DataState) -> Self {
        let view = snapshot.view.as_deref().filter(|_| matches!(state, DataState::Fresh | DataState::Held));
        Self { snapshot, state, view }
    }

    /// The value of the label `organization`.
    #[must_use]
    pub(crate) fn name(&self) -> &'a str {
        &self.snapshot.organization.name
    }
}

/// One row of the table of families.
#[derive(Debug)]
pub struct Family {
    /// The name as users write it, `_total` included.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// One sentence or two for the reader of the exposition, with a full stop.
    pub help: &'static str,
    /// The labels of each series, `le` left out.
    pub labels: &'static [&'static str],
    /// What it speaks of.
    pub(crate) chapter: Chapter,
    /// What produces its samples.
    pub(crate) producer: Producer,
}

impl Family {
    /// What the formats write of it before its samples.
    #[must_use]
    pub(crate) fn header(&self) -> Header<'static> {
        let Self { name, kind, help, labels: _, chapter: _, producer: _ } = *self;
        Header { name, kind, help }
    }

    /// Name and unit as `prometheus_client` wants them: it appends unit and `_total` on its own.
    fn descriptor(&self) -> (&'static str, Option<Unit>) {
        let base = self.header().base();
        let unit = match self.header().unit() {
            Some("seconds") => Unit::Seconds,
            Some(_) => Unit::Bytes,
            None => return (base, None),
        };
        (base.strip_suffix(unit.as_str()).map_or(base, |name| name.trim_end_matches('_')), Some(unit))
    }

    /// Registers a metric under this row's name.
    pub(super) fn register(&self, registry: &mut Registry, metric: impl prometheus_client::registry::Metric) {
        debug_assert_eq!(metric.metric_type().as_str(), self.kind.as_str(), "{}", self.name);
        let (name, unit) = self.descriptor();
        // The registry appends the full stop.
        let help = self.help.trim_end_matches('.');
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, metric),
            None => registry.register(name, help, metric),
        }
    }

    /// What takes this family's samples and appends them to `out`.
    pub(super) fn samples<'o>(&self, encoding: Encoding, out: &'o mut Vec<u8>) -> Samples<'o> {
        Samples::new(Writer::new(encoding, self.header(), out))
    }
}
