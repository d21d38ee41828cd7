//! The formats of a scrape say the same of names of any content, and each can be read back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::config::{Credential, CredentialKind, Organization, Secret};
use csp_invitations_exporter::metrics::Metrics;
use csp_invitations_exporter::snapshot::{OrganizationSnapshot, Snapshot};
use invitations::census::View;
use invitations::census::view::{GroupInfo, GroupRow, RoleRow};
use invitations::{Millis, RoleKind};
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;
use prost::Message as _;

const NOW: Millis = Millis(1_790_000_000_000);
const STEADY: Steady = Steady(5_000_000);
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
/// Gauges whose labels are texts from the service.
const FAMILIES: [&str; 3] = ["csp_invitations_by_role", "csp_invitations_by_group", "csp_group_info"];

type Samples = BTreeMap<(String, Vec<(String, String)>), u64>;

/// Texts between bars: names of roles, groups and their ids.
pub(crate) fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let names: std::collections::BTreeSet<&str> = text.split('|').take(50).collect();
    let metrics = metrics(&names);
    let scrape = |accept| metrics.scrape(STEADY, accept, None).body.concat();
    let plain = String::from_utf8(scrape(None)).expect("text");
    let open = String::from_utf8(scrape(Some(OPENMETRICS))).expect("text");
    assert!(open.ends_with("# EOF\n") && open.matches("\n# EOF\n").count() == 1);
    let (plain, open, packed) = (lines(&plain), lines(&open), messages(&scrape(Some(PROTOBUF))));
    assert_eq!(plain, open);
    assert_eq!(plain, packed);
    assert_eq!(plain.len(), names.len() * (5 + 5 + 1));
}

fn metrics(names: &std::collections::BTreeSet<&str>) -> Metrics {
    let kind = CredentialKind::ApiToken { token: Secret::File(PathBuf::from("token")) };
    let mut entry = OrganizationSnapshot::new(
        Arc::new(Organization {
            id: "0b0a3c1e-0000-4000-8000-000000000001".into(),
            custom_group_id: None,
            name: "acme".into(),
            credential: Arc::new(Credential { name: "app".into(), kind, url: None }),
            interval: Duration::from_secs(300),
            deadline: Duration::from_secs(240),
            stale_after: Duration::from_secs(1200),
        }),
        Some(Arc::default()),
    );
    let counts = [1, 2, 3, 4, 5];
    let view = View {
        at: NOW,
        by_role: names.iter().map(|name| RoleRow { kind: RoleKind::Custom, role: (*name).into(), counts }).collect(),
        by_group: names
            .iter()
            .map(|name| GroupRow { group_id: (*name).into(), group: (*name).into(), counts })
            .collect(),
        group_info: names
            .iter()
            .map(|name| GroupInfo {
                group_id: (*name).into(),
                group: (*name).into(),
                group_type: (*name).into(),
                domain: (*name).into(),
            })
            .collect(),
        ..View::empty(NOW)
    };
    entry.view = Some(Arc::new(view));
    entry.last_success = Some(Reading { wall: NOW, steady: STEADY });
    entry.up = Some(true);
    let snapshot = Arc::new(Snapshot { organizations: vec![Arc::new(entry)], api_token_expirations: Vec::new() });
    Metrics::new(move || Arc::clone(&snapshot))
}

/// The samples of the families, read by the grammar of the text formats.
fn lines(text: &str) -> Samples {
    let mut samples = Samples::new();
    for line in text.split('\n').filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        if !FAMILIES.contains(&name) {
            continue;
        }
        let (labels, value) = labels(rest);
        let twice = samples.insert((name.to_owned(), labels), value.trim().parse().expect("a count"));
        assert!(twice.is_none(), "twice: {line}");
    }
    samples
}

fn labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut labels = Vec::new();
    loop {
        if let Some(value) = rest.strip_prefix('}') {
            labels.sort();
            return (labels, value);
        }
        let (name, quoted) = rest.split_once("=\"").expect("a label");
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next().expect("a closing quote") {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match chars.next().expect("an escape").1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    other => panic!("no escape: {other:?}"),
                }),
                (_, plain) => value.push(plain),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &quoted[end..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn messages(mut bytes: &[u8]) -> Samples {
    let mut samples = Samples::new();
    while !bytes.is_empty() {
        let family = MetricFamily::decode_length_delimited(&mut bytes).expect("a family");
        if !FAMILIES.contains(&family.name.as_str()) {
            continue;
        }
        for metric in family.metric {
            let mut labels: Vec<_> = metric.label.into_iter().map(|label| (label.name, label.value)).collect();
            labels.sort();
            let value = metric.gauge.expect("a gauge").value as u64;
            assert!(samples.insert((family.name.clone(), labels), value).is_none(), "twice");
        }
    }
    samples
}
