//! Hostile lists, and how tests have them counted.

#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use invitations::Millis;
use invitations::census::{CensusBuilder, Criteria, ListError, View};
use invitations::settings::{Filter, Metrics};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) const NOW: i64 = 1_795_000_000_000;
pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn filter(allow: &[&str], deny: &[&str]) -> Filter {
    let compile = |patterns: &[&str]| {
        patterns.iter().map(|p| regex::Regex::new(&format!("^(?s:{p})$")).expect("a valid pattern")).collect()
    };
    Filter { allow: compile(allow), deny: compile(deny) }
}

pub(crate) fn settings() -> Metrics {
    Metrics {
        max_roles: 200,
        max_groups: 200,
        max_pairs: 200,
        roles: filter(&[".*"], &[]),
        groups: filter(&[".*"], &[]),
        joint: true,
        privileged_roles: vec!["org_owner".into(), "org_admin".into()],
        trusted_domains: Some(vec!["example.com".into(), "*.example.org".into()]),
    }
}

pub(crate) fn count_list(body: &[u8], settings: &Metrics, cuts: &[usize]) -> Result<View, ListError> {
    let mut builder = CensusBuilder::new(Arc::new(Criteria::new(settings)), Millis(NOW));
    for piece in pieces(body, cuts) {
        builder.write(piece)?;
    }
    Ok(builder.finish()?.census().view)
}

/// `body`, cut at these places.
pub(crate) fn pieces<'b>(body: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|piece| &body[piece[0]..piece[1]]).collect()
}

fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(5)),
        Just(json!(-1.5)),
        Just(json!(true)),
        Just(Value::Null),
        Just(json!("text")),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([1, null, "x", {"name": 3}, [["deep"]]])),
        Just(json!({"name": "org_owner", "nested": {"a": [1, 2, {"b": "\"]},"}]}})),
    ]
}

fn or_junk(good: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![9 => good, 1 => junk()].boxed()
}

fn role() -> impl Strategy<Value = Value> {
    let names = [
        "org_owner",
        "org_member",
        "developer",
        "vmc-user:full",
        "other",
        "",
        "Rôle \"x\"\\",
        "a",
        "b",
        "c",
        "a\u{1}",
        "a\u{2}",
        "a\u{fffd}",
        "\n",
        "org_owner\u{9f}",
        "\u{7f}",
    ];
    let long =
        prop::sample::select(vec!["", "1", "2", "é"]).prop_map(|end| json!(format!("{}{end}", "ab".repeat(128))));
    prop_oneof![9 => prop::sample::select(names.to_vec()).prop_map(|name| json!(name)), 1 => long]
}

fn list_of(item: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    or_junk(prop::collection::vec(item, 0..4).prop_map(Value::Array))
}

fn binding() -> BoxedStrategy<Value> {
    or_junk((or_junk(role()), any::<bool>()).prop_map(|(name, more)| {
        if more { json!({"displayName": "x", "name": name, "expiresAt": 1_795_000_000}) } else { json!({"name": name}) }
    }))
}

fn service() -> BoxedStrategy<Value> {
    or_junk((list_of(or_junk(role())), list_of(binding())).prop_map(
        |(names, bindings)| json!({"serviceDefinitionLink": "/x", "serviceRoleNames": names, "serviceRoles": bindings}),
    ))
}

fn group_id() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["g1", "g2", "g3", "other", "", "g4", "g1\u{0}", "g1\u{1}"]).prop_map(|id| json!(id))
}

fn group() -> BoxedStrategy<Value> {
    let name = prop::sample::select(vec!["Admins", "Zebras", "other", "", "Ärzte", "A\t", "A\u{fffd}", "\u{85}"])
        .prop_map(|name| json!(name));
    let domain = prop::sample::select(vec!["example.com", "", "a\u{1b}b"]).prop_map(|name| json!(name));
    or_junk((or_junk(group_id()), or_junk(name), or_junk(domain), list_of(binding()), list_of(service())).prop_map(
        |(id, name, domain, roles, services)| {
            json!({"id": id, "displayName": name, "groupType": "USER_GROUP", "domain": domain,
                       "organizationRoles": roles, "serviceRoles": services, "sharedOrgIds": ["x"]})
        },
    ))
}

fn moment() -> BoxedStrategy<Value> {
    let sensible = (-40 * 24..40 * 24_i64).prop_map(|hours| json!(NOW + hours * 3_600_000));
    let odd = prop::sample::select(vec![
        json!(0),
        json!(-1),
        json!(NOW),
        json!(NOW + 1),
        json!(NOW - DAY),
        json!(NOW - 3 * DAY),
        json!(NOW + DAY),
        json!(100_000_000_000_i64),
        json!(99_999_999_999_i64),
        json!(7_000_000_000_000_i64),
        json!(7_000_000_000_001_i64),
        json!(1_795_000_000_i64),
        json!(999_999_999_i64),
        json!(1_000_000_000_i64),
        json!(7_000_000_000_i64),
        json!(7_000_000_001_i64),
        json!(1.795e9),
        json!(1.795e12),
        json!(-0.0),
        json!(1.5),
        json!(1e300),
        json!("2026-11-20T09:30:00.5Z"),
        json!("2026-11-20t09:30:00+02:00"),
        json!("2026-11-20T09:30:60z"),
        json!("2026-11-20 09:30:00Z"),
        json!("1970-01-01T00:00:00Z"),
        json!("1795000000000"),
    ]);
    or_junk(prop_oneof![6 => sensible, 1 => odd])
}

pub(crate) fn element() -> BoxedStrategy<Value> {
    let status = prop::sample::select(vec![
        "AVAILABLE",
        "AVAILABLE",
        "AVAILABLE",
        "REDEEMED",
        "REVOKED",
        "EXPIRED",
        "available",
        "",
    ])
    .prop_map(|word| json!(word));
    let username = prop::sample::select(vec![
        "ann@example.com",
        " Ann@Example.COM ",
        "bob@evil.example",
        "bob@sub.example.org",
        "x@example.org",
        "x@.example.org",
        "nodomain",
        "",
        "  ",
        "ünïcode@Example.com",
        "a@b@example.com",
        "at@",
    ])
    .prop_map(|name| json!(name));
    let link = (0..8_u8).prop_map(|n| json!(if n == 0 { String::new() } else { format!("/orgs/o/invitations/{n}") }));
    let scalars = (or_junk(status), or_junk(username), or_junk(link), moment(), moment(), moment(), moment());
    let lists = (
        list_of(or_junk(role())),
        list_of(binding()),
        list_of(service()),
        list_of(binding()),
        list_of(or_junk(group_id())),
        list_of(group()),
    );
    let object = (scalars, lists, prop::collection::vec(any::<prop::sample::Index>(), 0..5)).prop_map(
        |((status, username, link, generated, expiration, redeemed, revoked), (a, b, c, d, e, f), dropped)| {
            let mut object = json!({
                "status": status, "username": username, "refLink": link, "generatedAt": generated,
                "expirationTime": expiration, "redeemedAt": redeemed, "revokedAt": revoked,
                "orgRoleNames": a, "organizationRoles": b, "serviceRolesDtos": c, "customRoles": d,
                "customGroupsIds": e, "customGroups": f, "invitationLink": "https://secret", "id": null,
            });
            let keys: Vec<String> = object.as_object().expect("an object").keys().cloned().collect();
            for index in dropped {
                object.as_object_mut().expect("an object").remove(index.get(&keys));
            }
            object
        },
    );
    prop_oneof![14 => object, 1 => junk()].boxed()
}

pub(crate) fn any_settings() -> impl Strategy<Value = Metrics> {
    (0..6_usize, 0..4_usize, 0..8_usize, 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
        |(max_roles, max_groups, max_pairs, filters, joint, trusted)| Metrics {
            max_roles: if max_roles == 5 { 200 } else { max_roles },
            max_groups: if max_groups == 3 { 200 } else { max_groups },
            max_pairs: if max_pairs == 7 { 200 } else { max_pairs },
            roles: filter(
                &[[".*"], ["org_.*"], [".*"]][filters],
                if filters == 2 { &["a|b", "org_owner", "a\u{1}"] } else { &[] },
            ),
            groups: filter(
                &[[".*"], [".*"], ["A.*|g.*"]][filters],
                if filters == 1 { &["A\t", "g1\u{0}"] } else { &[] },
            ),
            joint,
            trusted_domains: trusted.then(|| vec!["example.com".into(), "*.example.org".into()]),
            ..settings()
        },
    )
}
