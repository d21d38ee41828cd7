//! What a scrape looks like, in every format.

#![allow(clippy::unwrap_used, reason = "a test: the panic is the report")]

mod changes;
mod made_up;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use csp_api::{Observer as _, Operation};
use made_up::{OPENMETRICS, PROTOBUF, STEADY, decode, metrics, scrape};

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
