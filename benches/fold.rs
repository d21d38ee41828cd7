//! From bytes to counts, beside the least that a parser can do with the same bytes.

#[path = "../tests/common/lists.rs"]
mod lists;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use csp_invitations_exporter::config::Metrics;
use invitations::Millis;
use invitations::census::{Census, CensusBuilder, Criteria};
use serde::de::IgnoredAny;

fn count_list(criteria: &Arc<Criteria>, list: &[u8]) -> Census {
    let mut builder = CensusBuilder::new(Arc::clone(criteria), Millis::from(std::time::SystemTime::now()));
    for chunk in list.chunks(64 << 10) {
        builder.write(chunk).expect("a list so far");
    }
    builder.finish().expect("a whole list").census()
}

fn lists(criterion: &mut Criterion) {
    let criteria = Arc::new(Criteria::new(&Metrics::default()));
    let sizes = [(1_000, true), (10_000, true), (100_000, true), (10_000, false)];
    for (invitations, expanded) in sizes {
        let list = lists::list(invitations, expanded);
        let mut group = criterion.benchmark_group(if expanded { "expanded" } else { "short" });
        group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(5));
        group.throughput(Throughput::Bytes(list.len() as u64));
        group.bench_function(BenchmarkId::new("serde_json IgnoredAny", invitations), |bencher| {
            bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&list)).expect("valid JSON"));
        });
        group.bench_function(BenchmarkId::new("fold", invitations), |bencher| {
            bencher.iter(|| count_list(&criteria, black_box(&list)));
        });
        group.finish();
    }
}

criterion_group!(benches, lists);
criterion_main!(benches);
