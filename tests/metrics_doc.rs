//! The page on metrics and the table of families say the same.

#![allow(clippy::unwrap_used, reason = "a test: the panic is the report")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use csp_api::Reason;
use csp_invitations_exporter::metrics::families::FAMILIES;

const PAGE: &str = include_str!("../docs/metrics.md");

/// Name, type, labels and query of each family on the page, by name.
fn documented() -> BTreeMap<&'static str, (&'static str, Vec<&'static str>, &'static str)> {
    let sections = PAGE.split("\n### `").skip(1);
    sections
        .map(|section| {
            let (name, rest) = section.split_once('`').unwrap();
            let (kind, rest) = rest.split_once("Type: ").unwrap().1.split_once(". Labels: ").unwrap();
            let (labels, rest) = rest.split_once(".\n").unwrap();
            let labels = labels.split('`').skip(1).step_by(2).collect();
            let query = rest.split_once("```promql\n").unwrap().1.split_once("\n```").unwrap().0;
            (name, (kind, labels, query))
        })
        .collect()
}

#[test]
fn page_and_table_name_the_same_families_with_the_same_types_and_labels() {
    let documented: BTreeMap<_, _> =
        documented().into_iter().map(|(name, (kind, labels, _))| (name, (kind, labels))).collect();
    let table: BTreeMap<_, _> =
        FAMILIES.iter().map(|family| (family.name, (family.kind.as_str(), family.labels.to_vec()))).collect();
    assert_eq!(documented, table);
}

#[test]
fn each_family_has_a_query_that_uses_it_and_each_reason_a_meaning() {
    for (name, (_, _, query)) in documented() {
        assert!(query.contains(name), "{name}: {query}");
    }
    for reason in Reason::ALL {
        assert!(PAGE.contains(&format!("\n| `{reason}` |")), "{reason}");
    }
}

#[test]
#[ignore = "needs promtool; tests/run installs and runs it"]
fn promtool_accepts_every_query() {
    let mut rules = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    writeln!(rules, "groups:\n- name: documentation\n  rules:").unwrap();
    for (name, (_, _, query)) in documented() {
        let query = query.replace('\'', "''");
        writeln!(rules, "  - {{record: 'doc:{name}', expr: '{query}'}}").unwrap();
    }
    rules.flush().unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(rules.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
