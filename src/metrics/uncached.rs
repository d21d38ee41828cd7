//! The families that belong to no organization: not cached, but written anew for each scrape.

use std::collections::HashMap;

use exporter_toolkit::exposition::{self, Encoding};
use exporter_toolkit::process::ProcessSample;
use prometheus_client::registry::Registry;

use super::api_metrics::Durations;
use super::families::FAMILIES;
use super::family::Producer;
use crate::snapshot::Snapshot;

/// These families, and the end of the exposition.
pub(super) fn encode(encoding: Encoding, registry: &Registry, snapshot: &Snapshot, durations: &Durations) -> Vec<u8> {
    let registered = exposition::families(registry);
    let registered: HashMap<&str, _> = registered.iter().map(|family| (family.name.as_str(), family)).collect();
    let process = ProcessSample::read();
    let (mut out, mut block) = (Vec::new(), Vec::new());
    for family in FAMILIES.iter() {
        block.clear();
        let mut samples = family.samples(encoding, &mut block);
        match family.producer {
            Producer::Organization(_) => continue,
            Producer::Snapshot(produce) => produce(snapshot, &mut samples),
            Producer::Durations => durations.produce(&mut samples),
            Producer::Registered => {
                if let Some(family) = registered.get(family.name) {
                    samples.registered(family);
                }
            }
            Producer::Process(produce) => {
                if let Some(value) = process.as_ref().and_then(produce) {
                    samples.gauge(&[], value);
                }
            }
        }
        if !block.is_empty() {
            out.extend(exposition::preamble(encoding, &family.header(), block.len()));
            out.append(&mut block);
        }
    }
    exposition::finish(encoding, &mut out);
    out
}
