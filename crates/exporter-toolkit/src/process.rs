//! What the operating system knows of this process.

use std::sync::OnceLock;
use std::time::SystemTime;

use procfs::process::{LimitValue, Process};
use rustix::time::{ClockId, clock_gettime};

/// Values of the `process_*` families; what cannot be read is left out instead of failing the scrape.
#[derive(Debug, Clone, Copy)]
pub struct ProcessSample {
    /// User and system time.
    pub cpu_seconds: f64,
    /// Open file descriptors.
    pub open_fds: Option<f64>,
    /// The most of them.
    pub max_fds: Option<f64>,
    /// Virtual memory.
    pub virtual_memory_bytes: f64,
    /// The most of it.
    pub virtual_memory_max_bytes: Option<f64>,
    /// Resident memory.
    pub resident_memory_bytes: f64,
    /// When the process started, since the Unix epoch.
    pub start_time_seconds: Option<f64>,
    /// Threads of the operating system.
    pub threads: f64,
}

impl ProcessSample {
    /// Reads `/proc`; `None` where there is none.
    #[must_use]
    pub fn read() -> Option<Self> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let limits = process.limits().ok();
        let ticks = procfs::ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            open_fds: process.fd_count().ok().map(|count| count as f64),
            max_fds: limits.as_ref().map(|limits| value(limits.max_open_files.soft_limit)),
            virtual_memory_bytes: stat.vsize as f64,
            virtual_memory_max_bytes: limits.as_ref().map(|limits| value(limits.max_address_space.soft_limit)),
            resident_memory_bytes: (stat.rss * procfs::page_size()) as f64,
            start_time_seconds: start_time(stat.starttime as f64 / ticks),
            threads: stat.num_threads as f64,
        })
    }
}

/// When the process started, from how long after the machine it did; the same at every scrape, whatever becomes of the
/// wall clock. By the clocks alone: `/proc/stat`, which knows too, is a file of its own in some containers, and can hang.
fn start_time(after_boot: f64) -> Option<f64> {
    static STARTED: OnceLock<f64> = OnceLock::new();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
    let up = clock_gettime(ClockId::Boottime);
    let up = up.tv_sec as f64 + up.tv_nsec as f64 / 1e9;
    // As exact as the other libraries have it: to a hundredth of a second.
    Some(*STARTED.get_or_init(|| ((now - up + after_boot) * 100.0).round() / 100.0))
}

/// No limit is the largest integer, as the other client libraries have it.
fn value(limit: LimitValue) -> f64 {
    match limit {
        LimitValue::Unlimited => u64::MAX as f64,
        LimitValue::Value(value) => value as f64,
    }
}
