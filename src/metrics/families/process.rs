//! The standard families of a process, under the names that every Prometheus client library uses.

use super::{counter, gauge};
use crate::metrics::family::{Family, Part, Source};

pub(super) const FAMILIES: &[Family] = &[
    counter(
        Part::Process,
        "process_cpu_seconds_total",
        &[],
        "Total user and system CPU time spent in seconds.",
        Source::Process(|process| Some(process.cpu_seconds)),
    ),
    gauge(
        Part::Process,
        "process_open_fds",
        &[],
        "Number of open file descriptors.",
        Source::Process(|process| process.open_fds),
    ),
    gauge(
        Part::Process,
        "process_max_fds",
        &[],
        "Maximum number of open file descriptors.",
        Source::Process(|process| process.max_fds),
    ),
    gauge(
        Part::Process,
        "process_virtual_memory_bytes",
        &[],
        "Virtual memory size in bytes.",
        Source::Process(|process| Some(process.virtual_memory_bytes)),
    ),
    gauge(
        Part::Process,
        "process_virtual_memory_max_bytes",
        &[],
        "Maximum amount of virtual memory available in bytes.",
        Source::Process(|process| process.virtual_memory_max_bytes),
    ),
    gauge(
        Part::Process,
        "process_resident_memory_bytes",
        &[],
        "Resident memory size in bytes.",
        Source::Process(|process| Some(process.resident_memory_bytes)),
    ),
    gauge(
        Part::Process,
        "process_start_time_seconds",
        &[],
        "Start time of the process since the Unix epoch in seconds.",
        Source::Process(|process| process.start_time_seconds),
    ),
    gauge(
        Part::Process,
        "process_threads",
        &[],
        "Number of operating system threads in the process.",
        Source::Process(|process| Some(process.threads)),
    ),
];
