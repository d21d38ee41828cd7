//! The status for programs: the fields are described in docs/http.md.

use serde::Serialize;

use super::ago::Moment;
use super::query::Filter;
use super::row::Row;
use crate::snapshot::StatusReport;

/// The whole answer.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    version: &'static str,
    now: Moment,
    started: Moment,
    config_reload_successful: bool,
    shard: Option<Shard>,
    total: usize,
    organizations: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Shard {
    index: u32,
    count: u32,
}

impl<'a> Report<'a> {
    pub(super) fn new(report: &'a StatusReport, filter: &Filter) -> Self {
        let StatusReport { now, started, config_reload_successful, shard, organizations } = report;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now: Moment::new(*now, *now),
            started: Moment::new(*started, *now),
            config_reload_successful: *config_reload_successful,
            shard: shard.map(|(index, count)| Shard { index, count }),
            total: organizations.len(),
            organizations: filter.apply(organizations).into_iter().map(|one| Row::new(one, *now)).collect(),
        }
    }
}
