//! An observer that remembers.

use std::time::Duration;

use csp_api::{Observer, Operation, Reason};
use parking_lot::Mutex;

/// Writes down what it is told.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    pub(crate) fn count(&self, event: &str) -> usize {
        self.0.lock().iter().filter(|e| *e == event).count()
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

impl Observer for Recorder {
    fn request(&self, operation: Operation) {
        self.0.lock().push(format!("request {operation}"));
    }
    fn response(&self, operation: Operation, status: u16) {
        self.0.lock().push(format!("response {operation} {status}"));
    }
    fn failure(&self, operation: Operation, reason: Reason) {
        self.0.lock().push(format!("failure {operation} {reason}"));
    }
    fn retry(&self, operation: Operation) {
        self.0.lock().push(format!("retry {operation}"));
    }
    fn duration(&self, operation: Operation, _: Duration, request_id: Option<&str>) {
        self.0.lock().push(format!("duration {operation} {}", request_id.unwrap_or("-")));
    }
    fn bytes(&self, operation: Operation, count: u64) {
        self.0.lock().push(format!("bytes {operation} {count}"));
    }
    fn error_codes(&self, operation: Operation, code: &str, module: &str) {
        self.0.lock().push(format!("codes {operation} {code} {module}"));
    }
    fn throttle_wait(&self, _: Duration) {
        self.0.lock().push("throttle".to_owned());
    }
}
