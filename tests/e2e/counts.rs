//! Every family that counts invitations, against the naive reference.

use std::collections::BTreeMap;

use csp_simulator::Options;
use invitations::Millis;
use serde_json::{Value, json};

use crate::binary::Exporter;
use crate::reference::{Expected, Row, STATUSES, count};
use crate::setup::{serve, simulated};

const HOUR: i64 = 3_600_000;
const AGES: [&str; 6] = ["0-1d", "1-3d", "3-7d", "7-30d", "30d+", "unknown"];
const TIMES_LEFT: [&str; 6] = ["0-1h", "1-24h", "1-3d", "3-7d", "7d+", "unknown"];

type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// A time that stays in its bucket while the test runs: half an hour from any bound.
fn time(dice: &mut Dice, now: i64) -> Value {
    let hours = i64::try_from(dice.below(24 * 50)).unwrap() - 24 * 10;
    match dice.below(12) {
        0 => Value::Null,
        1 => json!(0),
        2 => json!(-5),
        3 => json!(1_700_000_000),
        4 => json!(9_000_000_000_000_i64),
        5 => json!("2024-01-01T00:00:00Z"),
        6 => json!((now - hours * HOUR - HOUR / 2) as f64),
        _ => json!(now - hours * HOUR - HOUR / 2),
    }
}

fn binding(dice: &mut Dice, roles: &[Value]) -> Value {
    json!({ "name": dice.of(roles), "displayName": "x", "expiresAt": 1_700_000_000, "createdDate": [] })
}

fn group(dice: &mut Dice, roles: &[Value]) -> Value {
    json!({
        "id": dice.of(&[json!("g1"), json!("g2"), json!("g3"), json!("g4"), json!(""), Value::Null, json!(4)]),
        "displayName": dice.of(&[json!("Group"), json!("Gruppe \"ü\"\n\\"), json!("other"), Value::Null, json!("")]),
        "groupType": dice.of(&[json!("USER_GROUP"), json!("AD_GROUP"), json!(1)]),
        "domain": dice.of(&[json!("example.com"), Value::Null]),
        "organizationRoles": [binding(dice, roles)],
        "serviceRoles": [{ "serviceDefinitionId": "s", "serviceRoleNames": [dice.of(roles)] }],
        "usersCount": "many",
    })
}

fn invitation(dice: &mut Dice, now: i64, number: usize) -> Value {
    let roles = ["org_member", "org_owner", "org_admin", "other", "vmc-user:full", "a\\b\"c\nd", "日本", "", "x"]
        .map(|role| json!(role));
    let statuses = ["AVAILABLE", "REDEEMED", "REVOKED", "AVAILABLE", "available", "EXPIRED", "AVAILABLE", ""];
    let people =
        ["a@example.com", " A@Example.com ", "b@other.org", "c@sub.example.org", "nobody", "", "d@", "B@OTHER.org"];
    let mut invitation = json!({
        "username": dice.of(&people),
        "status": dice.of(&statuses),
        "generatedAt": time(dice, now),
        "expirationTime": time(dice, now),
        "redeemedAt": time(dice, now),
        "revokedAt": time(dice, now),
        "refLink": format!("/orgs/x/invitations/{}", number / 2 + dice.below(9)),
        "invitationLink": { "deep": [[[{ "status": "REVOKED" }]]] },
        "orgRoleNames": [dice.of(&roles), dice.of(&roles), null],
        "organizationRoles": [binding(dice, &roles)],
        "customRoles": [binding(dice, &roles), 5],
        "serviceRolesDtos": [{ "serviceRoleNames": [dice.of(&roles)], "serviceRoles": [binding(dice, &roles)] }, null],
        "customGroupsIds": [dice.of(&["g1", "g2", "g5", "g6", ""])],
        "customGroups": [group(dice, &roles), group(dice, &roles)],
        "id": "undocumented",
        "nested": { "username": "z@example.com", "orgRoleNames": ["never"] },
    });
    for key in [
        "orgRoleNames",
        "customGroupsIds",
        "customGroups",
        "customRoles",
        "organizationRoles",
        "serviceRolesDtos",
        "status",
        "refLink",
    ] {
        match dice.below(9) {
            0 => invitation[key] = Value::Null,
            1 => invitation[key] = json!(false),
            2 => drop(invitation.as_object_mut().unwrap().remove(key)),
            _ => {}
        }
    }
    match dice.below(40) {
        0 => Value::Null,
        1 => json!([1, 2]),
        2 => json!({}),
        _ => invitation,
    }
}

fn add(series: &mut Series, name: &str, labels: &[(&str, &str)], value: f64) {
    let mut labels: BTreeMap<_, _> =
        labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    labels.insert("organization".to_owned(), "one".to_owned());
    assert!(series.insert((name.to_owned(), labels), value).is_none());
}

fn by_status(series: &mut Series, name: &str, labels: &[(&str, &str)], row: &Row) {
    for status in STATUSES {
        let value = row.get(status).copied().unwrap_or(0) as f64;
        add(series, name, &[labels, &[("status", status)]].concat(), value);
    }
}

/// What /metrics has to show.
fn wanted(expected: &Expected) -> Series {
    let mut series = Series::new();
    let all = &mut series;
    by_status(all, "csp_invitations", &[], &expected.by_status);
    for ((kind, role), row) in &expected.by_role {
        by_status(all, "csp_invitations_by_role", &[("role_kind", kind), ("role", role)], row);
    }
    for ((id, group), row) in &expected.by_group {
        by_status(all, "csp_invitations_by_group", &[("group_id", id), ("group", group)], row);
    }
    for ([kind, role, group, id], row) in expected.by_pair.as_ref().unwrap() {
        for (status, value) in row {
            let labels =
                [("role_kind", kind.as_str()), ("role", role), ("group_id", id), ("group", group), ("status", status)];
            add(all, "csp_invitations_by_role_and_group", &labels, *value as f64);
        }
    }
    by_status(all, "csp_invitations_privileged", &[], &expected.privileged);
    by_status(all, "csp_invitations_external", &[], expected.external.as_ref().unwrap());
    add(all, "csp_invitations_duplicate", &[], expected.duplicates as f64);
    for (age, value) in AGES.iter().zip(expected.lapsed) {
        add(all, "csp_invitations_lapsed_by_age", &[("age", age)], value as f64);
    }
    for (age, value) in AGES.iter().zip(expected.pending) {
        add(all, "csp_invitations_pending_by_age", &[("age", age)], value as f64);
    }
    for (left, value) in TIMES_LEFT.iter().zip(expected.time_left) {
        add(all, "csp_invitations_pending_by_time_left", &[("time_left", left)], value as f64);
    }
    let times = ["oldest_pending", "next_expiration", "last_generated", "last_redeemed", "last_revoked"];
    for (name, time) in times.iter().zip(expected.times) {
        if let Some(time) = time {
            add(all, &format!("csp_invitation_{name}_timestamp_seconds"), &[], time as f64 / 1000.0);
        }
    }
    for [id, group, kind, domain] in &expected.group_info {
        let labels = [("group_id", id.as_str()), ("group", group), ("group_type", kind), ("domain", domain)];
        add(all, "csp_group_info", &labels, 1.0);
    }
    let kinds = [
        "unknown_status",
        "implausible_time",
        "missing_identity",
        "duplicate_identity",
        "malformed_field",
        "malformed_text",
    ];
    for (kind, value) in kinds.iter().zip(expected.anomalies) {
        add(all, "csp_decode_anomalies", &[("kind", kind)], value as f64);
    }
    series
}

#[tokio::test]
async fn every_family_of_a_hostile_list_is_what_the_reference_counts() {
    for (seed, limits) in [
        (1, "max_roles: 200"),
        (2, "max_roles: 3, max_groups: 2, max_pairs: 5"),
        (3, "max_roles: 0, max_groups: 0, max_pairs: 0"),
    ] {
        let (simulator, settings, folder) = simulated(1, "interval: 60s", Options::default()).await;
        let metrics = format!("{limits}, trusted_domains: [example.com, '*.example.org'], roles: {{deny: ['x']}}");
        folder.write("config.yaml", &settings.metrics(&metrics).yaml());
        let now = Millis::from(std::time::SystemTime::now()).0;
        let mut dice = Dice(seed);
        let list: Vec<Value> = (0..300).map(|number| invitation(&mut dice, now, number)).collect();
        serve(&simulator, 0, &list);
        let exporter = Exporter::start(&folder, &[]).await;
        let scrape = exporter.polled(&["one"]).await;
        assert_eq!(scrape.up("one"), Some(1.0));

        let path = folder.path("config.yaml");
        let config = csp_invitations_exporter::config::obtain(Some(path.as_ref()), &|_| None).await.unwrap();
        let expected = wanted(&count(&list, &config.metrics, now));
        let is_lifecycle = |name: &str| name.contains("events_total") || name.contains("redemption_duration");
        let counted: Series = scrape
            .samples
            .iter()
            .filter(|sample| {
                expected.keys().any(|(name, _)| *name == sample.name) || sample.name.starts_with("csp_invitation")
            })
            .filter(|sample| !is_lifecycle(&sample.name))
            .map(|sample| ((sample.name.clone(), sample.labels.clone()), sample.value))
            .collect();
        for (series, value) in &expected {
            assert_eq!(counted.get(series), Some(value), "seed {seed}: {series:?}");
        }
        for series in counted.keys() {
            assert!(expected.contains_key(series), "seed {seed}: {series:?} is too much");
        }
    }
}
