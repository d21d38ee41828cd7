//! Compression of a scrape.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

/// `bytes` as one gzip member. Scrapes repeat themselves so much that the fastest level takes most of the gain.
pub(in crate::metrics) fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8 + 64), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
