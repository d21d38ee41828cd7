//! The table of all families, each row next to the function that produces its samples.

use std::sync::LazyLock;

use exporter_toolkit::exposition::Kind;

use super::family::{Chapter, Family, Producer};

pub(super) mod api;
pub(super) mod exporter;
mod invitations;
mod lifecycle;
mod polling;
mod process;

/// All families, sorted by name: the order of an exposition. A position in it identifies a family.
pub static FAMILIES: LazyLock<Vec<&'static Family>> = LazyLock::new(|| {
    let parts: [&'static [Family]; 6] = [
        invitations::FAMILIES,
        lifecycle::FAMILIES,
        polling::FAMILIES,
        api::FAMILIES,
        exporter::FAMILIES,
        process::FAMILIES,
    ];
    let mut families: Vec<_> = parts.into_iter().flatten().collect();
    families.sort_by_key(|family| family.name);
    families
});

/// The position of a family in [`FAMILIES`].
#[must_use]
pub(crate) fn position(name: &str) -> Option<usize> {
    FAMILIES.binary_search_by_key(&name, |family| family.name).ok()
}

/// A gauge's row; keeps the tables short.
const fn gauge(
    chapter: Chapter,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    producer: Producer,
) -> Family {
    Family { name, kind: Kind::Gauge, help, labels, chapter, producer }
}

/// A counter's row.
const fn counter(
    chapter: Chapter,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    producer: Producer,
) -> Family {
    Family { name, kind: Kind::Counter, help, labels, chapter, producer }
}

/// A histogram's row.
const fn histogram(
    chapter: Chapter,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    producer: Producer,
) -> Family {
    Family { name, kind: Kind::Histogram, help, labels, chapter, producer }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_families_produce_a_series_of_the_same_name() {
        let mut names = BTreeSet::new();
        for family in FAMILIES.iter() {
            let series: &[&str] = match family.kind {
                Kind::Histogram => &["", "_bucket", "_count", "_sum"],
                Kind::Counter | Kind::Gauge => &[""],
            };
            for suffix in series {
                assert!(names.insert(format!("{}{suffix}", family.name)), "{}", family.name);
            }
            assert!(
                family.header().base() == family.name || names.insert(family.header().base().to_owned()),
                "{}",
                family.name
            );
        }
    }

    #[test]
    fn counters_and_only_counters_end_in_total_and_help_is_a_sentence() {
        for family in FAMILIES.iter() {
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert!(family.help.ends_with('.') && !family.help.ends_with(".."), "{}", family.name);
        }
    }

    #[test]
    fn labels_that_scrape_configurations_set_are_never_used() {
        let reserved =
            ["endpoint", "service", "namespace", "pod", "container", "job", "instance", "cluster", "region", "le"];
        for family in FAMILIES.iter() {
            assert!(family.labels.iter().all(|label| !reserved.contains(label)), "{}", family.name);
        }
    }

    #[test]
    fn help_says_that_it_comes_from_the_poll_where_it_does() {
        for family in FAMILIES.iter().filter(|family| family.chapter == Chapter::Invitations) {
            assert!(family.help.contains("from the last good poll"), "{}", family.name);
        }
    }
}
