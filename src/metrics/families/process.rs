//! The standard families of a process, under the names that every Prometheus client library uses.

use super::{counter, gauge};
use crate::metrics::family::{Chapter, Family, Producer};

pub(super) const FAMILIES: &[Family] = &[
    counter(
        Chapter::Process,
        "process_cpu_seconds_total",
        &[],
        "Total user and system CPU time spent in seconds.",
        Producer::Process(|process| Some(process.cpu_seconds)),
    ),
    gauge(
        Chapter::Process,
        "process_open_fds",
        &[],
        "Number of open file descriptors.",
        Producer::Process(|process| process.open_fds),
    ),
    gauge(
        Chapter::Process,
        "process_max_fds",
        &[],
        "Maximum number of open file descriptors.",
        Producer::Process(|process| process.max_fds),
    ),
    gauge(
        Chapter::Process,
        "process_virtual_memory_bytes",
        &[],
        "Virtual memory size in bytes.",
        Producer::Process(|process| Some(process.virtual_memory_bytes)),
    ),
    gauge(
        Chapter::Process,
        "process_virtual_memory_max_bytes",
        &[],
        "Maximum amount of virtual memory available in bytes.",
        Producer::Process(|process| process.virtual_memory_max_bytes),
    ),
    gauge(
        Chapter::Process,
        "process_resident_memory_bytes",
        &[],
        "Resident memory size in bytes.",
        Producer::Process(|process| Some(process.resident_memory_bytes)),
    ),
    gauge(
        Chapter::Process,
        "process_start_time_seconds",
        &[],
        "Start time of the process since the Unix epoch in seconds.",
        Producer::Process(|process| process.start_time_seconds),
    ),
    gauge(
        Chapter::Process,
        "process_threads",
        &[],
        "Number of operating system threads in the process.",
        Producer::Process(|process| Some(process.threads)),
    ),
];
