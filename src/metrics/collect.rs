//! Collectors over immutable data, and the way from a registry to the neutral form.

use std::fmt;
use std::sync::Arc;

use exporter_toolkit::exposition::Kind;
use exporter_toolkit::exposition::{self, Encoding};
use exporter_toolkit::process::ProcessSample;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::prometheus_protobuf::{self, prometheus_data_model::MetricFamily};
use prometheus_client::registry::Registry;

use super::api::Durations;
use super::blocks::Blocks;
use super::families::{FAMILIES, api};
use super::family::{Organization, Source};
use super::samples::Samples;
use crate::clock::Steady;
use crate::snapshot::{OrganizationSnapshot, Snapshot};

/// The samples of one organization at `now`.
pub(super) fn organization(encoding: Encoding, snapshot: &Arc<OrganizationSnapshot>, now: Steady) -> Blocks {
    if encoding == Encoding::Protobuf {
        return Blocks::encode(encoding, &collect(OrganizationCollector { snapshot: Arc::clone(snapshot), now }));
    }
    let organization = Organization::at(snapshot, now);
    Blocks::write(|family, out| {
        if let (Source::Organization(produce), Some(writer)) =
            (family.source, exposition::writer(encoding, &family.header(), out))
            && produce(&organization, &mut Samples::text(writer)).is_err()
        {
            tracing::error!(family = family.name, "a family could not be encoded and is missing from the scrape");
        }
    })
}

/// The families that belong to no organization, with series in the order of their labels.
pub(super) fn own(registry: &Registry, snapshot: &Arc<Snapshot>, durations: &Durations) -> Vec<MetricFamily> {
    let mut families = encode(registry);
    families.extend(collect(SnapshotCollector {
        snapshot: Arc::clone(snapshot),
        durations: durations.clone(),
        process: ProcessSample::read(),
    }));
    for family in &mut families {
        if family.name == api::DURATION {
            durations.attach_exemplars(family);
        } else {
            // A registered family keeps its series in a hash map.
            family.metric.sort_by(|a, b| {
                let values = |labels: &[_]| -> Vec<String> { labels.iter().map(label_value).collect() };
                values(&a.label).cmp(&values(&b.label))
            });
        }
    }
    families
}

fn label_value(label: &prometheus_protobuf::prometheus_data_model::LabelPair) -> String {
    label.value.clone()
}

fn collect(collector: impl Collector) -> Vec<MetricFamily> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    encode(&registry)
}

/// A part that fails is left out and logged: a scrape never fails.
fn encode(registry: &Registry) -> Vec<MetricFamily> {
    prometheus_protobuf::encode(registry).unwrap_or_else(|fmt::Error| {
        tracing::error!("a part of the metrics could not be encoded and is missing from the scrape");
        Vec::new()
    })
}

#[derive(Debug)]
struct OrganizationCollector {
    snapshot: Arc<OrganizationSnapshot>,
    now: Steady,
}

impl Collector for OrganizationCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { snapshot, now } = self;
        let organization = Organization::at(snapshot, *now);
        for family in FAMILIES.iter() {
            if let Source::Organization(produce) = family.source {
                family.encode(&mut encoder, |samples| produce(&organization, samples))?;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SnapshotCollector {
    snapshot: Arc<Snapshot>,
    durations: Durations,
    process: Option<ProcessSample>,
}

impl Collector for SnapshotCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { snapshot, durations, process } = self;
        for family in FAMILIES.iter() {
            match (family.source, process) {
                (Source::Snapshot(produce), _) => {
                    family.encode(&mut encoder, |samples| produce(snapshot, samples))?;
                }
                (Source::Durations, _) => family.encode(&mut encoder, |samples| durations.encode(samples))?,
                (Source::Process(produce), Some(process)) => {
                    let Some(value) = produce(process) else { continue };
                    family.encode(&mut encoder, |samples| match family.kind {
                        Kind::Counter => samples.counter_seconds(&[], value),
                        Kind::Gauge | Kind::Histogram => samples.gauge(&[], value),
                    })?;
                }
                (Source::Process(_), None) | (Source::Organization(_) | Source::Registered, _) => {}
            }
        }
        Ok(())
    }
}
