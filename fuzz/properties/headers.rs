//! Whatever a scraper asks for, it gets a format that there is, and the content type is that of the format.

use exporter_toolkit::exposition::{Encoding, negotiate};

/// A line for each header.
pub(crate) fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let (encoding, kind) = negotiate::format(Some(line));
        let (media, rest) = kind.split_once(';').expect("parameters");
        let expected = match encoding {
            Encoding::Text => "text/plain",
            Encoding::OpenMetrics => "application/openmetrics-text",
            Encoding::Protobuf => "application/vnd.google.protobuf",
        };
        assert_eq!(media, expected, "{line:?}");
        // Only escapings that are known are echoed.
        assert!(rest.is_ascii() && !rest.contains(char::is_control) && rest.len() < 100, "{line:?}: {rest}");
        // The answer names a format; asking for just that gets it again.
        assert_eq!(negotiate::format(Some(&kind)), (encoding, kind.clone()), "{line:?}");
        if negotiate::gzip(Some(line)) {
            let lower = line.to_ascii_lowercase();
            assert!(lower.contains("gzip") || lower.contains('*'), "{line:?}");
        }
    }
}
