//! What fuzzers feed with bytes. Not for programs.

use std::path::Path;

use super::config;

/// Reads `bytes` as a web configuration.
///
/// # Panics
/// When the same bytes are read in another way the second time, or a refusal says nothing.
pub fn web_configuration(bytes: &[u8]) {
    let read = || match config::parse(bytes, Path::new("/etc/web.yaml")) {
        Ok(config) => format!("{config:?}"),
        Err(problems) => {
            let words = problems.to_string();
            assert!(!words.trim().is_empty());
            words
        }
    };
    assert_eq!(read(), read());
}
