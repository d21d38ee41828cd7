//! A made-up state of the exporter, and its scrapes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use csp_api::{Error, Observer as _, Operation, Reason};
use csp_invitations_exporter::clock::{Reading, Steady};
use csp_invitations_exporter::config::{Credential, CredentialKind, Organization, Secret};
use csp_invitations_exporter::metrics::Metrics;
use csp_invitations_exporter::snapshot::{OrganizationSnapshot, Snapshot};
use invitations::census::View;
use invitations::census::view::{GroupInfo, GroupRow, RoleRow};
use invitations::lifecycle::Tally;
use invitations::{Millis, RoleKind};
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;
use prost::Message as _;

pub(crate) const NOW: Millis = Millis(1_790_000_000_000);
/// The same moment of the clock that only goes forward.
pub(crate) const STEADY: Steady = Steady(5_000_000);
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
pub(crate) const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

pub(crate) fn organization(name: &str) -> OrganizationSnapshot {
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

pub(crate) fn view() -> View {
    let (role, group) = ("back\\slash \"quoted\"\nnext", "Grüße <b>&amp;</b>");
    View {
        at: NOW,
        by_status: [3, 1, 4, 1, 5],
        by_role: vec![RoleRow { kind: RoleKind::Custom, role: role.into(), counts: [1, 0, 0, 0, 2] }],
        by_group: vec![GroupRow { group_id: "g1".into(), group: group.into(), counts: [2, 0, 0, 0, 0] }],
        by_role_and_group: Some([(("", ""), ("g1", group), [2, 0, 0, 0, 0])].into_iter().collect()),
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

pub(crate) fn snapshot() -> Snapshot {
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

pub(crate) fn metrics() -> Metrics {
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

pub(crate) fn scrape(metrics: &Metrics, accept: Option<&str>) -> String {
    String::from_utf8(metrics.scrape(STEADY, accept, None).body.concat()).unwrap()
}

pub(crate) fn decode(mut bytes: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}
