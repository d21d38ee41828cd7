//! A configuration that is accepted keeps its promises, and a problem repeats no value.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use csp_invitations_exporter::config;

pub(crate) fn holds(bytes: &[u8]) {
    match config::parse(bytes, Path::new("/etc/exporter")) {
        Ok(config) => {
            let mut names = BTreeSet::new();
            let mut keys = BTreeSet::new();
            for organization in &config.organizations {
                let is_guid =
                    organization.id.len() == 36 && organization.id.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
                assert!(is_guid, "{}", organization.id);
                assert!(names.insert(organization.name.clone()), "{}", organization.name);
                assert!(keys.insert(format!("{:?}", organization.key())));
                assert!(organization.interval >= Duration::from_secs(1));
                assert!(organization.deadline < organization.interval && !organization.deadline.is_zero());
                assert!(organization.stale_after >= organization.interval);
                let _ = organization.target();
            }
        }
        Err(problems) => {
            assert!(!problems.0.is_empty());
            let text = problems.to_string();
            assert!(!text.contains("c4n4ry") || is_key(bytes), "{text}");
        }
    }
}

/// Whether the canary may be a key: keys are shown. In `{c4n4ry}` it is one.
fn is_key(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.match_indices("c4n4ry").any(|(at, _)| {
        let before = text[..at].trim_end_matches(['"', '\'', ' ', '&', '!', '*', '-', '[']);
        !before.ends_with(':') || text[at..].contains(':') || text[..at].contains('\n')
    })
}
