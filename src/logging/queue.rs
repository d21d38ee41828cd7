//! The way of a line to standard error, which nobody may be reading.
//!
//! **Who waits for whom?** A task that logs puts its line into a bounded queue and waits for nobody; a line that does not
//! fit is dropped and counted. One thread, that of `tracing-appender`, takes lines from the queue and waits for standard
//! error as long as it must: a pipe without a reader or a terminal that was stopped holds up this thread alone. Whoever
//! ends the process waits for the queue to empty, for [`FLUSH`] at the most.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder};
use tracing_subscriber::fmt::MakeWriter;

use super::{Format, line};

/// Lines that wait at the most: some megabytes of the longest ones.
const LINES: usize = 4096;
/// How long the end of the process waits for lines that are on their way.
const FLUSH: Duration = Duration::from_secs(1);

/// A queue in front of a writer that may take for ever.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    lines: NonBlocking,
    counts: Arc<Counts>,
}

/// Every line ends in one of `written`, `refused` and the appender's own count of lines that did not fit.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    unfit: OnceLock<ErrorCounter>,
}

impl Counts {
    fn dropped(&self) -> u64 {
        let unfit = self.unfit.get().map_or(0, |unfit| unfit.dropped_lines() as u64);
        self.refused.load(Ordering::Acquire) + unfit
    }

    fn is_settled(&self) -> bool {
        self.written.load(Ordering::Acquire) + self.dropped() >= self.sent.load(Ordering::Acquire)
    }
}

impl Queue {
    /// A queue of this process's standard error.
    pub(super) fn of_standard_error(format: Format) -> Self {
        // A handle of its own: whoever writes to standard error directly does not wait for the thread's lock.
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(handle) => Self::new(File::from(handle), format, LINES),
            Err(_) => Self::new(io::stderr(), format, LINES),
        }
    }

    fn new(writer: impl Write + Send + 'static, format: Format, lines: usize) -> Self {
        let counts = Arc::<Counts>::default();
        let output = Output { writer, format, counts: Arc::clone(&counts), told: 0 };
        let builder = NonBlockingBuilder::default().buffered_lines_limit(lines).lossy(true).thread_name("log");
        let (lines, guard) = builder.finish(output);
        // Dropped, the guard would print to standard output when the queue is full. `flush` waits in its place.
        std::mem::forget(guard);
        let _ = counts.unfit.set(lines.error_counter());
        Self { lines, counts }
    }

    /// Lines that nobody will ever read: the queue was full, or standard error refused them.
    pub(super) fn dropped(&self) -> u64 {
        self.counts.dropped()
    }

    /// Waits until every line so far is written, for a second at the most.
    pub(super) fn flush(&self) {
        let start = Instant::now();
        while !self.counts.is_settled() && start.elapsed() < FLUSH {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl<'w> MakeWriter<'w> for Queue {
    type Writer = NonBlocking;

    /// Each event asks for a writer and writes its line in one piece.
    fn make_writer(&'w self) -> NonBlocking {
        self.counts.sent.fetch_add(1, Ordering::AcqRel);
        self.lines.clone()
    }
}

/// What the queue's thread writes to: a line a call, and when it has caught up, how many lines are missing.
struct Output<W> {
    writer: W,
    format: Format,
    counts: Arc<Counts>,
    told: u64,
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.writer.write_all(line);
        let count = if written.is_ok() { &self.counts.written } else { &self.counts.refused };
        count.fetch_add(1, Ordering::AcqRel);
        written.map(|()| line.len())
    }

    /// Called whenever the queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        let dropped = self.counts.dropped();
        if dropped > self.told {
            let count = dropped - self.told;
            let told = line::warning(
                self.format,
                "log lines were dropped because nobody took them from standard error",
                "lines",
                count,
            );
            self.writer.write_all(told.as_bytes())?;
            self.told = dropped;
        }
        self.writer.flush()
    }
}

/// Says something on standard error that is not a log line, behind the lines that are on their way, and waits for a
/// second at the most until it is taken. A closed standard error is no failure: nobody is left to tell.
pub(super) fn say(text: String) {
    let (taken, wait) = mpsc::channel();
    let text: Arc<str> = text.into();
    let write = {
        let text = Arc::clone(&text);
        move || {
            let _ = io::stderr().write_all(text.as_bytes());
            let _ = taken.send(());
        }
    };
    match thread::Builder::new().name("last words".to_owned()).spawn(write) {
        Ok(_) => {
            let _ = wait.recv_timeout(FLUSH);
        }
        // The system has no thread left, which is likely what is to be said: better to wait for standard error than to be mute.
        Err(_) => {
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::{Condvar, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::Line;
    use super::*;

    /// A standard error that is stopped and goes on as somebody says.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Gate>);

    #[derive(Default)]
    struct Gate {
        state: Mutex<(bool, Vec<u8>)>,
        opened: Condvar,
    }

    impl Pipe {
        fn open(&self) {
            self.0.state.lock().0 = true;
            self.0.opened.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.state.lock().1.clone()).unwrap()
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.state.lock();
            while !state.0 {
                self.0.opened.wait(&mut state);
            }
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(queue: &Queue, lines: usize) {
        let layer = tracing_subscriber::fmt::layer().with_writer(queue.clone()).event_format(Line(Format::Logfmt));
        let subscriber = tracing_subscriber::registry().with(layer.fmt_fields(Line(Format::Logfmt)));
        tracing::subscriber::with_default(subscriber, || (0..lines).for_each(|n| tracing::info!(n, "happened")));
    }

    #[test]
    fn nobody_waits_for_an_output_that_takes_nothing_and_what_is_lost_is_counted_and_said() {
        let pipe = Pipe::default();
        let queue = Queue::new(pipe.clone(), Format::Logfmt, 8);
        // Comes back although nothing is taken: eight wait, one is with the thread or waits as well.
        log(&queue, 100);
        let dropped = queue.dropped();
        assert!((91..=92).contains(&dropped), "{dropped}");
        assert_eq!(pipe.text(), "");
        pipe.open();
        queue.flush();
        log(&queue, 1);
        queue.flush();
        let told = format!("lines={dropped}");
        let start = Instant::now();
        while !pipe.text().contains(&told) && start.elapsed() < Duration::from_secs(20) {
            thread::yield_now();
        }
        let text = pipe.text();
        assert!(text.contains(&told) && text.matches("dropped").count() == 1, "{text}");
        assert_eq!(text.matches("msg=happened").count() as u64 + dropped, 101, "{text}");
        assert_eq!(queue.dropped(), dropped);
    }

    #[test]
    fn lines_that_the_output_refuses_are_counted_as_dropped() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue = Queue::new(Closed, Format::Json, 8);
        log(&queue, 3);
        queue.flush();
        assert_eq!(queue.dropped(), 3);
    }
}
