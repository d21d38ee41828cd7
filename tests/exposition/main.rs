//! What a scrape looks like, in every format.

#![allow(clippy::unwrap_used, reason = "a test: the panic is the report")]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use csp_api::{Error, Observer, Operation, Reason};
use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::config::{Credential, CredentialKind, Organization, Secret};
use csp_invitations_exporter::metrics::Metrics;
use csp_invitations_exporter::snapshot::{OrganizationSnapshot, Snapshot};
use invitations::census::View;
use invitations::census::view::{GroupInfo, GroupRow, PairRow, RoleRow};
use invitations::lifecycle::Tally;
use invitations::{Millis, RoleKind};
use parking_lot::RwLock;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;
use prost::Message;

const NOW: Millis = Millis(1_790_000_000_000);
/// The same moment of the clock that only goes forward.
const STEADY: Steady = Steady(5_000_000);
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

fn organization(name: &str) -> OrganizationSnapshot {
    let kind = CredentialKind::ApiToken { token: Secret::File(PathBuf::from("token")) };
    OrganizationSnapshot::new(
        Arc::new(Organization {
            id: "0b0a3c1e-0000-4000-8000-000000000001".into(),
            custom_group_id: None,
            name: name.into(),
            credential: Arc::new(Credential { name: "app".into(), kind, url: None }),
            interval: Duration::from_secs(300),
            deadline: Duration::from_secs(240),
            stale_after: Duration::from_secs(1200),
        }),
        Some(Arc::default()),
    )
}

fn view() -> View {
    let (role, group) = ("back\\slash \"quoted\"\nnext", "Grüße <b>&amp;</b>");
    View {
        at: NOW,
        by_status: [3, 1, 4, 1, 5],
        by_role: vec![RoleRow { kind: RoleKind::Custom, role: role.into(), counts: [1, 0, 0, 0, 2] }],
        by_group: vec![GroupRow { group_id: "g1".into(), group: group.into(), counts: [2, 0, 0, 0, 0] }],
        by_role_and_group: Some(vec![PairRow {
            role_kind: "",
            role: String::new(),
            group_id: "g1".into(),
            group: group.into(),
            counts: [2, 0, 0, 0, 0],
        }]),
        privileged: [1, 0, 0, 0, 0],
        external: Some([0, 0, 2, 0, 0]),
        duplicates: 1,
        lapsed_by_age: [1, 0, 0, 0, 0],
        pending_by_age: [1, 1, 1, 0, 0, 0],
        pending_by_time_left: [0, 1, 1, 1, 0, 0],
        oldest_pending: Some(Millis(1_789_900_000_123)),
        next_expiration: Some(Millis(1_790_100_000_000)),
        last_generated: Some(Millis(1_789_999_000_500)),
        last_redeemed: None,
        last_revoked: Some(Millis(1_789_000_000_000)),
        group_info: vec![GroupInfo {
            group_id: "g1".into(),
            group: group.into(),
            group_type: "USER_GROUP".into(),
            domain: String::new(),
        }],
        anomalies: [5, 0, 0, 1, 0, 2],
        folded_roles: 7,
        folded_groups: 0,
    }
}

fn snapshot() -> Snapshot {
    let mut acme = organization("acme <script>\"\\");
    acme.display_name = Some("Acme Ltd.".into());
    acme.view = Some(Arc::new(view()));
    acme.last_success = Some(Reading { wall: Millis(NOW.0 - 60_000), steady: Steady(STEADY.0 - 60_000) });
    acme.last_attempt = acme.last_success;
    (acme.up, acme.polls, acme.failures[9]) = (Some(true), 12, 2);
    acme.duration = Some(Duration::from_millis(1_234));
    acme.access_token_expiration = Some(Millis(NOW.0 + 1_800_000));
    let mut lifecycle = Tally { events: [9, 4, 1, 2, 0], ..Tally::default() };
    for seconds in [30.0, 4_000.5, 90_000.0, 1e9] {
        lifecycle.redemption.observe(seconds);
    }
    acme.lifecycle = Some(Arc::new(lifecycle));
    let mut initech = organization("initech");
    (initech.up, initech.polls, initech.failures[1]) = (Some(false), 1, 1);
    let now = Reading { wall: NOW, steady: STEADY };
    initech.last_error = Some((now, Error::new(Operation::Invitations, Reason::BadRequest, "")));
    Snapshot {
        organizations: vec![Arc::new(acme), Arc::new(organization("globex")), Arc::new(initech)],
        api_token_expirations: vec![("app".into(), Millis(NOW.0 + Millis::DAY))],
    }
}

fn metrics() -> Metrics {
    let snapshot = Arc::new(snapshot());
    let metrics = Metrics::new(move || Arc::clone(&snapshot));
    metrics.exporter().config_loaded(true, NOW);
    metrics.exporter().http_request("metrics", 200);
    metrics.exporter().set_state(true, 1);
    metrics.api().request(Operation::Invitations);
    metrics.api().response(Operation::Invitations, 503);
    metrics.api().error_codes(Operation::Invitations, "cloud.500", "bad code");
    metrics
}

fn scrape(metrics: &Metrics, accept: Option<&str>) -> String {
    String::from_utf8(metrics.scrape(STEADY, accept, None).body.concat()).unwrap()
}

fn decode(mut bytes: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}

/// Compares with a file as a whole; `UPDATE_GOLDEN=1` writes it. What depends on machine and build is left out.
fn assert_golden(name: &str, text: &str) {
    let stable: String = text
        .split_inclusive('\n')
        .filter(|line| !line.contains("process_") && !line.starts_with("csp_exporter_build_info{"))
        .collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &stable).unwrap();
    }
    assert_eq!(stable, std::fs::read_to_string(&path).unwrap(), "{name}: UPDATE_GOLDEN=1 accepts the change");
}

#[test]
fn text_matches_the_golden_file() {
    assert_golden("scrape.txt", &scrape(&metrics(), None));
}

#[test]
fn protobuf_matches_the_golden_file() {
    let body = metrics().scrape(STEADY, Some(PROTOBUF), None).body;
    let mut families = decode(&body.concat());
    families.retain(|family| !family.name.starts_with("process_") && family.name != "csp_exporter_build_info");
    let lines: Vec<_> = families.iter().map(|family| format!("{family:?}")).collect();
    assert_golden("scrape.protobuf.txt", &(lines.join("\n") + "\n"));
}

#[test]
fn openmetrics_matches_the_golden_file() {
    assert_golden("scrape.openmetrics", &scrape(&metrics(), Some(OPENMETRICS)));
}

#[test]
fn once_shows_invitations_lifecycle_and_polling_alone() {
    let text = metrics().once_text(STEADY, true);
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert_golden("once.txt", &text);
    for foreign in ["csp_exporter_", "csp_api_", "csp_access_token_", "process_"] {
        assert!(!text.contains(foreign), "{foreign}");
    }
}

#[test]
fn protobuf_holds_what_the_text_shows_and_native_buckets_beside() {
    let metrics = metrics();
    let families = decode(&metrics.scrape(STEADY, Some(PROTOBUF), None).body.concat());
    let text = scrape(&metrics, None);
    let headers: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(families.iter().map(|family| family.name.as_str()).collect::<Vec<_>>(), headers);
    let find = |name: &str| families.iter().find(|family| family.name == name).unwrap();
    assert_eq!(find("csp_poll_duration_seconds").unit, "seconds");
    let values: Vec<_> = find("csp_invitations").metric.iter().map(|m| m.gauge.as_ref().unwrap().value).collect();
    assert_eq!(values, [3.0, 1.0, 4.0, 1.0, 5.0]);
    assert_eq!(find("csp_invitations").metric[0].label[0].value, "acme <script>\"\\");
    let histogram = find("csp_invitation_redemption_duration_seconds").metric[0].histogram.clone().unwrap();
    assert_eq!((histogram.schema, histogram.sample_count, histogram.bucket.len()), (3, 4, 14));
    assert_eq!(histogram.positive_span.iter().map(|span| span.length).sum::<u32>(), 4);
}

#[test]
fn exemplars_carry_request_id_and_time_in_openmetrics_and_protobuf_but_not_in_text() {
    let metrics = metrics();
    metrics.api().duration(Operation::Token, Duration::from_millis(300), Some("req-1"));
    metrics.api().duration(Operation::Token, Duration::from_millis(3), Some("bad id"));
    let openmetrics = scrape(&metrics, Some(OPENMETRICS));
    let line = openmetrics.lines().find(|line| line.contains("# {")).unwrap();
    let (sample, exemplar) = line.split_once(" # ").unwrap();
    assert_eq!(sample, "csp_api_request_duration_seconds_bucket{operation=\"token\",le=\"0.5\"} 2");
    let at: f64 = exemplar.strip_prefix("{request_id=\"req-1\"} 0.3 ").unwrap().parse().unwrap();
    assert!(at > 1.7e9);
    assert!(!openmetrics.contains("bad id") && !scrape(&metrics, None).contains("req-1"));
    let families = decode(&metrics.scrape(STEADY, Some(PROTOBUF), None).body.concat());
    let family = families.iter().find(|family| family.name == "csp_api_request_duration_seconds").unwrap();
    let buckets =
        &family.metric.iter().find(|m| m.label[0].value == "token").unwrap().histogram.as_ref().unwrap().bucket;
    assert_eq!(buckets.iter().filter_map(|bucket| bucket.exemplar.as_ref()).count(), 1);
}

#[test]
fn no_series_and_no_family_appears_twice() {
    for accept in [None, Some(OPENMETRICS)] {
        let text = scrape(&metrics(), accept);
        let series: Vec<_> =
            text.lines().filter(|l| !l.starts_with('#')).map(|l| l.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(series.iter().collect::<BTreeSet<_>>().len(), series.len());
        let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        assert!(types.len() > 40);
        assert_eq!(types.iter().collect::<BTreeSet<_>>().len(), types.len());
    }
}

#[test]
#[ignore = "needs promtool; tests/run installs and runs it"]
fn promtool_finds_nothing_to_improve() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(scrape(&metrics(), None).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn gzip_holds_the_same_bytes() {
    let metrics = metrics();
    let packed = metrics.scrape(STEADY, None, Some("gzip"));
    assert_eq!(packed.content_encoding, Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body.concat()[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("csp_invitations{") && text.ends_with('\n'));
}

#[test]
fn compressed_scrapes_say_the_same_as_plain_ones_whatever_changes_in_between() {
    let organization = |name: usize, rows: usize, count: u64| {
        let mut entry = organization(&format!("organization-{name}"));
        let mut view = view();
        let row = view.by_role[0].clone();
        view.by_role = (0..rows).map(|n| RoleRow { role: format!("role-{n}"), ..row.clone() }).collect();
        view.by_status = [count; 5];
        (entry.view, entry.last_success, entry.up) =
            (Some(Arc::new(view)), Some(Reading { wall: NOW, steady: STEADY }), Some(true));
        Arc::new(entry)
    };
    // Enough for several compressed pieces of one family.
    let mut organizations: Vec<_> = (0..40).map(|name| organization(name, 20, 1)).collect();
    let current = Arc::new(RwLock::new(Arc::new(Snapshot::default())));
    let source = Arc::clone(&current);
    let metrics = Metrics::new(move || Arc::clone(&source.read()));
    let polled = |body: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(body).unwrap();
        let own = |line: &&str| !["process_", "csp_api_", "csp_exporter_"].iter().any(|part| line.contains(part));
        text.lines().filter(own).map(str::to_owned).collect()
    };
    for (step, (name, rows)) in [(0, 20), (39, 0), (17, 400), (17, 3), (5, 21), (5, 21)].into_iter().enumerate() {
        organizations[name] = organization(name, rows, step as u64);
        let organizations = organizations.clone();
        *current.write() = Arc::new(Snapshot { organizations, api_token_expirations: Vec::new() });
        if step % 2 == 0 {
            metrics.prepare(STEADY);
        }
        for accept in [None, Some(OPENMETRICS)] {
            let packed = metrics.scrape(STEADY, accept, Some("gzip")).body.concat();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            let plain = metrics.scrape(STEADY, accept, None).body.concat();
            assert_eq!(polled(unpacked), polled(plain), "step {step}");
        }
    }
}

#[test]
fn stale_data_is_withdrawn_though_nothing_else_happened() {
    let metrics = metrics();
    assert!(scrape(&metrics, None).contains("\ncsp_invitations{"));
    let later = Steady(STEADY.0 + 3_600_000);
    let text = String::from_utf8(metrics.scrape(later, None, None).body.concat()).unwrap();
    assert!(!text.contains("csp_invitations{") && text.contains("state=\"withdrawn\"} 1"));
    assert!(text.contains("csp_invitation_events_total{"), "counters stay");
}

#[test]
fn past_the_limit_error_codes_are_other() {
    let metrics = metrics();
    for code in 0..200 {
        metrics.api().error_codes(Operation::Token, &format!("code-{code}"), "module");
    }
    let text = scrape(&metrics, None);
    let count = text.lines().filter(|line| line.starts_with("csp_api_error_codes_total{")).count();
    assert_eq!(count, 51);
    assert!(text.contains("{operation=\"token\",csp_error_code=\"other\",module_code=\"other\"} 151"));
}

#[test]
fn scrapes_during_updates_see_one_moment() {
    let with = |count: u64| {
        let mut acme = organization("acme");
        let mut view = view();
        (view.by_status, view.privileged) = ([count; 5], [count; 5]);
        (acme.view, acme.last_success, acme.up) =
            (Some(Arc::new(view)), Some(Reading { wall: NOW, steady: STEADY }), Some(true));
        Arc::new(Snapshot { organizations: vec![Arc::new(acme)], api_token_expirations: Vec::new() })
    };
    let current = Arc::new(RwLock::new(with(0)));
    let source = Arc::clone(&current);
    let metrics = Metrics::new(move || Arc::clone(&source.read()));
    std::thread::scope(|scope| {
        let scrapers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..60 {
                        let text = scrape(&metrics, None);
                        let wanted = |l: &&str| {
                            l.starts_with("csp_invitations{") || l.starts_with("csp_invitations_privileged{")
                        };
                        let values: Vec<_> =
                            text.lines().filter(wanted).map(|line| line.rsplit_once(' ').unwrap().1).collect();
                        assert_eq!(values.len(), 10);
                        assert!(values.iter().all(|value| *value == values[0]), "torn: {values:?}");
                    }
                })
            })
            .collect();
        let mut count = 0;
        while scrapers.iter().any(|scraper| !scraper.is_finished()) {
            count += 1;
            *current.write() = with(count);
        }
    });
}
