//! What is read of an answer is within its bounds, and what is said of a broken one repeats nothing of it.

pub(crate) fn holds(bytes: &[u8]) {
    csp_api::fuzzing::answers(bytes);
}
