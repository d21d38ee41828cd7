//! The fold against the naive reference, on hostile lists cut into chunks anywhere.

#[path = "common/observed.rs"]
mod observed;
#[path = "common/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use invitations::census::{CarriedGroup, Fold, Invitation, Invitations, ListError, MAX_ELEMENT, Rules, View, text};
use invitations::settings::{Filter, Metrics};
use invitations::{Millis, RoleKind, Status};
use observed::observed;
use proptest::prelude::*;
use reference::{Expected, Row};
use serde_json::{Value, json};

const NOW: i64 = 1_795_000_000_000;
const DAY: i64 = 86_400_000;

fn filter(allow: &[&str], deny: &[&str]) -> Filter {
    let compile = |patterns: &[&str]| {
        patterns.iter().map(|p| regex::Regex::new(&format!("^(?s:{p})$")).expect("a valid pattern")).collect()
    };
    Filter { allow: compile(allow), deny: compile(deny) }
}

fn settings() -> Metrics {
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

fn fold(body: &[u8], settings: &Metrics, cuts: &[usize]) -> Result<View, ListError> {
    let mut fold = Fold::new(Arc::new(Rules::new(settings)), Millis(NOW));
    for piece in pieces(body, cuts) {
        fold.write(piece)?;
    }
    Ok(fold.finish()?.census().view)
}

/// `body`, cut at these places.
fn pieces<'b>(body: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
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

fn element() -> BoxedStrategy<Value> {
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

fn any_settings() -> impl Strategy<Value = Metrics> {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn counts_equal_the_reference_for_any_list_cut_anywhere(
        list in prop::collection::vec(element(), 0..14),
        settings in any_settings(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        pretty in any::<bool>(),
    ) {
        let body = if pretty { serde_json::to_vec_pretty(&list) } else { serde_json::to_vec(&list) }.expect("JSON");
        let view = fold(&body, &settings, &cuts).expect("a whole list");
        prop_assert_eq!(observed(&view), reference::count(&list, &settings, NOW));
        prop_assert_eq!(view.by_status.iter().sum::<u64>(), list.len() as u64);
    }

    #[test]
    fn a_list_that_is_cut_off_is_never_counted(list in prop::collection::vec(element(), 1..4), cut in any::<usize>()) {
        let body = serde_json::to_vec(&list).expect("JSON");
        let end = cut % body.len();
        prop_assert!(fold(&body[..end], &settings(), &[]).is_err());
    }
}

/// The name of a group, unless its id is one of several that become the same: these share one name in the gauges.
fn named(group: &CarriedGroup) -> String {
    if text::clean(&group.id) == group.id { text::clean(&group.name).into_owned() } else { String::new() }
}

/// The sums that the rows of `list` make, where nothing is folded.
fn summed(invitations: &[Invitation]) -> Expected {
    let mut sums = Expected { external: Some(Row::new()), ..Expected::default() };
    let add = |row: &mut Row, status: Status| *row.entry(status.as_str()).or_default() += 1;
    for invitation in invitations {
        let status = invitation.status;
        add(&mut sums.by_status, status);
        // Rows have the names as they were sent, gauges as they passed the gate.
        for (kind, names) in RoleKind::ALL.iter().zip(&invitation.roles) {
            for role in names.iter().map(|role| text::clean(role).into_owned()).collect::<BTreeSet<_>>() {
                add(sums.by_role.entry((kind.as_str().to_owned(), role)).or_default(), status);
            }
        }
        let groups = invitation.groups.iter().map(|group| (text::clean(&group.id).into_owned(), named(group)));
        for group in groups.collect::<BTreeSet<_>>() {
            add(sums.by_group.entry(group).or_default(), status);
        }
        if invitation.is_privileged {
            add(&mut sums.privileged, status);
        }
        if invitation.is_external {
            add(sums.external.as_mut().expect("domains are trusted"), status);
        }
        sums.duplicates += u64::from(invitation.is_duplicate);
        sums.lapsed[0] += u64::from(invitation.is_lapsed);
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_rows_of_a_list_sum_up_to_its_gauges(
        list in prop::collection::vec(element(), 0..14),
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let body = serde_json::to_vec(&list).expect("JSON");
        let mut rows = Invitations::new(Arc::new(Rules::new(&settings())), Millis(NOW));
        for piece in pieces(&body, &cuts) {
            rows.write(piece).expect("a list so far");
        }
        let rows = rows.finish().expect("a whole list");
        let expected = reference::count(&list, &settings(), NOW);
        let sums = summed(&rows);
        prop_assert_eq!(&sums.by_status, &expected.by_status);
        prop_assert_eq!(&sums.by_role, &expected.by_role);
        let mut by_group = BTreeMap::new();
        for ((id, name), row) in expected.by_group {
            let is_shared = id.contains('\u{fffd}');
            by_group.insert((id, if is_shared { String::new() } else { name }), row);
        }
        prop_assert_eq!(&sums.by_group, &by_group);
        prop_assert_eq!(&sums.privileged, &expected.privileged);
        prop_assert_eq!(&sums.external, &expected.external);
        prop_assert_eq!(sums.duplicates, expected.duplicates);
        prop_assert_eq!(sums.lapsed[0], expected.lapsed.iter().sum::<u64>());
        let pending = || rows.iter().filter(|row| row.status == Status::Available);
        let older = pending().filter(|row| row.generated.is_some_and(|at| NOW - at.0 >= 3 * DAY)).count();
        prop_assert_eq!(older as u64, expected.pending[2..5].iter().sum::<u64>());
        let ending = pending().filter(|row| row.expires.is_some_and(|at| at.0 - NOW < DAY)).count();
        prop_assert_eq!(ending as u64, expected.time_left[..2].iter().sum::<u64>());
    }
}

#[test]
fn bytes_may_arrive_one_by_one() {
    let list =
        json!([{"status": "AVAILABLE", "username": "é@example.com", "expirationTime": NOW + 5}, null, 17, "x😀"]);
    let body = serde_json::to_vec(&list).expect("JSON");
    let cuts: Vec<usize> = (0..body.len()).collect();
    let view = fold(&body, &settings(), &cuts).expect("a whole list");
    assert_eq!(observed(&view), reference::count(list.as_array().expect("a list"), &settings(), NOW));
    assert_eq!(view.by_status[Status::Available as usize], 1);
}

/// Strings of all lengths, so that cuts and the reader's own bounds fall on every kind of byte.
#[test]
fn a_list_counts_the_same_in_pieces_of_any_length() {
    let list: Vec<Value> = (0..60)
        .map(|n| {
            let word = format!("{}\"é\\😀{}", "x".repeat(n * 3), "y".repeat(n % 7));
            json!({
                "username": format!("{word}@example.com"), "refLink": word, "invitationLink": word.repeat(3),
                "status": "AVAILABLE", "generatedAt": NOW - DAY, "orgRoleNames": ["org_owner", word, n],
                "customGroups": [{"id": format!("g{}", n % 5), "displayName": word, "description": word.repeat(2)}],
            })
        })
        .collect();
    let expected = reference::count(&list, &settings(), NOW);
    for body in [serde_json::to_vec(&list), serde_json::to_vec_pretty(&list)].map(|body| body.expect("JSON")) {
        for length in (1..140).chain([255, 256, 257, 4095, 4096, 8191, 8192, 8193, 65_535]) {
            let cuts: Vec<usize> = (0..body.len()).step_by(length).collect();
            let view = fold(&body, &settings(), &cuts).expect("a whole list");
            assert_eq!(observed(&view), expected, "in pieces of {length}");
        }
    }
}

#[test]
fn what_is_not_a_list_fails_and_says_what_it_looks_like() {
    let settings = settings();
    let error = |body: &[u8]| fold(body, &settings, &[]).expect_err("not a list");
    assert_eq!(error(b""), ListError::NotAList { html: false });
    assert_eq!(error(b"  <!DOCTYPE html><html>"), ListError::NotAList { html: true });
    assert_eq!(error(b"null"), ListError::NotAList { html: false });
    assert_eq!(error(b"\xff\xfe"), ListError::NotUtf8);
    assert_eq!(error(b"[{\"a\":\xff}]"), ListError::NotUtf8);
    assert_eq!(error(b"[{}"), ListError::Cut { offset: 3 });
    assert_eq!(error(b"[1"), ListError::Cut { offset: 2 });
    for body in [&b"[{},]"[..], b"[,{}]", b"[{} {}]", b"[]]", b"[] x", b"[01]", b"[NaN]", b"['a']"] {
        assert!(matches!(error(body), ListError::Malformed { .. }), "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(fold(b"\xef\xbb\xbf [ ] \r\n", &settings, &[1, 2, 5]).map(|view| view.by_status), Ok([0; 5]));
}

#[test]
fn numbers_too_large_for_a_double_harm_nothing_but_their_field() {
    let body = br#"[{"status":"AVAILABLE","generatedAt":1e400,"orgRoleNames":1e999,"x":-1e999},1e400]"#;
    let view = fold(body, &settings(), &[]).expect("a whole list");
    assert_eq!(view.by_status, [1, 0, 0, 0, 1]);
    assert_eq!(view.anomalies, [0, 1, 1, 0, 2, 0]);
}

#[test]
fn of_a_key_that_occurs_twice_the_last_counts() {
    let body =
        br#"[{"status":5,"orgRoleNames":["a"],"status":"REVOKED","orgRoleNames":["b"],"\u0073tatus":"REDEEMED"}]"#;
    let view = fold(body, &settings(), &[]).expect("a whole list");
    assert_eq!(view.by_status, [0, 0, 1, 0, 0]);
    assert_eq!(view.by_role.iter().map(|row| row.role.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(view.anomalies, [0, 0, 1, 0, 0, 0]);
}

#[test]
fn of_a_key_that_occurs_twice_inside_a_group_or_a_service_the_last_counts() {
    let bodies = [
        r#"[{"customGroups":[{"id":5,"organizationRoles":[{"name":"org_owner"},7],"id":"g","organizationRoles":[{"name":3,"name":"a"}]}]}]"#,
        r#"[{"customGroups":[{"id":"g","customRoles":[{"name":"org_admin"}],"\u0063ustomRoles":null}]}]"#,
        r#"[{"customGroups":[{"id":"g","serviceRoles":[{"serviceRoleNames":["org_owner"]}],"serviceRoles":[{}]}]}]"#,
        r#"[{"customGroups":[{"id":"g","serviceRoles":[{"serviceRoleNames":["org_owner",1],"serviceRoleNames":["b"]}]}]}]"#,
        r#"[{"serviceRolesDtos":[{"serviceRoleNames":["a",1],"serviceRoles":[{"name":"b"}],"serviceRoleNames":["c"]}]}]"#,
        r#"[{"serviceRolesDtos":[{"serviceRoles":[{"name":"org_owner"}],"serviceRoleNames":["a"],"serviceRoles":5}]}]"#,
    ];
    for body in bodies {
        let list: Vec<Value> = serde_json::from_str(body).expect("JSON");
        let view = fold(body.as_bytes(), &settings(), &[]).expect("a whole list");
        assert_eq!(observed(&view), reference::count(&list, &settings(), NOW), "{body}");
        assert_eq!(view.privileged, [0; 5], "{body}");
    }
}

#[test]
fn an_object_in_place_of_the_list_is_told_by_the_key_of_its_list() {
    let settings = settings();
    let key = |body: &str, cuts: &[usize]| match fold(body.as_bytes(), &settings, cuts) {
        Err(ListError::Wrapped { key }) => key,
        other => panic!("{other:?}"),
    };
    let wrapped = |key: &str| Some(key.to_owned());
    let all: Vec<usize> = (0..100).collect();
    for cuts in [&[][..], &all] {
        assert_eq!(key(r#"{"totalResults":2,"links":{"next":[1]},"results":[{},{}]}"#, cuts), wrapped("results"));
        assert_eq!(key(r#"{"results":[{"username":"#, cuts), wrapped("results"), "known before its end");
        assert_eq!(key(r#" { "message" : "x", "data": {"results": []} } "#, cuts), None);
        assert_eq!(key("{}", cuts), None);
        assert_eq!(key(r#"{"message":"x"#, cuts), None);
        assert_eq!(key(r#"{"ann@example.com":[]}"#, cuts), None, "could be a person");
        assert_eq!(key(&format!("{{\"{}\":[]}}", "x".repeat(33)), cuts), None, "could be a token");
    }
    let long = format!("{{\"x\":\"{}", "x".repeat(MAX_ELEMENT));
    assert_eq!(key(&long, &[1000]), None);
    let message = ListError::Wrapped { key: wrapped("results") }.to_string();
    assert!(message.contains("`results`"), "{message}");
}

/// What `serde_json` does not read as text.
#[test]
fn lone_surrogates_become_replacement_characters_and_are_told_apart_while_counted() {
    let body = br#"[{"orgRoleNames":["r\ud800","r\udc00"],"customGroups":[{"id":"g\ud83d","displayName":"\ude00 and more than sixty-four bytes of text"}]},
        {"orgRoleNames":["r\ufffd","r\ud800"],"status":"\ud800","username":"a\ud800@example.com","refLink":"\ud800",
         "customGroups":[{"id":"g\ud83d","displayName":"\ude00 and more than sixty-four bytes of text"}]},{"customGroupsIds":["g\ud83d\ude00"]}]"#;
    let view = fold(body, &settings(), &[]).expect("a whole list");
    let roles: Vec<_> = view.by_role.iter().map(|row| (row.role.as_str(), row.counts.iter().sum::<u64>())).collect();
    assert_eq!(roles, [("r\u{fffd}", 2)]);
    let groups: Vec<_> = view.by_group.iter().map(|row| (row.group_id.as_str(), row.group.as_str())).collect();
    assert_eq!(groups, [("g\u{fffd}", "\u{fffd} and more than sixty-four bytes of text"), ("g😀", "g😀")]);
    assert_eq!(view.anomalies[5], 4, "two roles, an id and a name");
    assert_eq!(view.external.map(|counts| counts.iter().sum::<u64>()), Some(2));
}

#[test]
fn a_name_of_any_length_takes_a_few_bytes_and_different_ones_stay_different() {
    for length in [1_100, 100_000, 1_000_000] {
        let name = |end: &str| format!("{}{end}", "x".repeat(length));
        let roles: Vec<String> = (0..200).map(|n| format!("r{n}")).collect();
        let group = |end: &str| json!({"orgRoleNames": roles, "customGroups": [{"id": format!("g{end}"), "displayName": name(end)}]});
        let body = serde_json::to_vec(&json!([group("1"), group("2"), group("1")])).expect("JSON");
        let used = allocation_counter::measure(|| {
            let view = fold(&body, &settings(), &[]).expect("a whole list");
            let groups: Vec<_> = view.by_group.iter().map(|row| (row.group.as_str(), row.counts[4])).collect();
            assert_eq!(groups.len(), 2);
            assert!(groups.iter().all(|(name, _)| name.len() == 256 + 3 + 8) && groups[0].0 != groups[1].0);
            assert_eq!(view.by_role_and_group.expect("pairs").len(), 201);
            assert_eq!(view.anomalies[5], 2);
        });
        assert!(used.bytes_max < 8 << 20, "{} bytes for names of {length}", used.bytes_max);
    }
}

#[test]
fn filters_and_privileged_roles_compare_what_the_service_sent() {
    let body =
        serde_json::to_vec(&json!([{"orgRoleNames": ["ops\u{1}"]}, {"orgRoleNames": ["ops\u{2}", "org_owner\u{1}"]}]));
    let settings = Metrics {
        roles: filter(&[".*"], &["ops\u{1}", "ops\u{fffd}"]),
        privileged_roles: vec!["org_owner".into(), "ops\u{fffd}".into(), "ops\u{1}".into()],
        ..settings()
    };
    let view = fold(&body.expect("JSON"), &settings, &[]).expect("a whole list");
    let roles: Vec<_> = view.by_role.iter().map(|row| (row.role.as_str(), row.counts[4])).collect();
    assert_eq!(roles, [("ops\u{fffd}", 1), ("org_owner\u{fffd}", 1), ("other", 1)]);
    assert_eq!(view.privileged[4], 1);
}

#[test]
fn an_element_of_any_depth_is_passed_over_and_one_of_any_length_is_refused() {
    let deep = format!("[{{\"status\":\"REVOKED\",\"x\":{}1{}}}]", "[".repeat(900), "]".repeat(900));
    assert_eq!(fold(deep.as_bytes(), &settings(), &[]).map(|view| view.by_status), Ok([0, 0, 0, 1, 0]));
    let mut fold = Fold::new(Arc::new(Rules::new(&settings())), Millis(NOW));
    fold.write(b"[{\"x\":\"").expect("a list so far");
    let piece = vec![b'x'; 1 << 20];
    let error = (0..64).find_map(|_| fold.write(&piece).err());
    assert_eq!(error, Some(ListError::ElementTooLong));
}

#[test]
fn an_element_of_a_mebibyte_is_read_and_one_that_is_longer_is_refused_however_it_arrives() {
    let settings = settings();
    for (start, end) in [("\"", "\""), ("{\"x\":\"", "\"}")] {
        for (length, is_read) in [(MAX_ELEMENT, true), (MAX_ELEMENT + 1, false), (MAX_ELEMENT * 2, false)] {
            let filling = "é".repeat((length - start.len() - end.len()) / 2);
            let odd = "x".repeat(length - start.len() - end.len() - filling.len());
            let element = format!("{start}{filling}{odd}{end}");
            assert_eq!(element.len(), length);
            for body in [format!("[{element}]"), format!("[{{}},  {element} ,{{}}]")] {
                for step in [body.len(), 65_536, 1_000_000] {
                    let cuts: Vec<usize> = (0..body.len()).step_by(step).collect();
                    let result = fold(body.as_bytes(), &settings, &cuts).map(|view| view.by_status[4] > 0);
                    assert_eq!(
                        result,
                        if is_read { Ok(true) } else { Err(ListError::ElementTooLong) },
                        "{length} by {step}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_element_full_of_empty_groups_takes_no_more_than_some_times_its_length() {
    for unit in ["{}", "{\"id\":\"\"}", "\"\"", "null"] {
        for key in ["customGroups", "customGroupsIds", "orgRoleNames", "customRoles", "serviceRolesDtos"] {
            let body = format!("[{{\"{key}\":[{}]}}]", vec![unit; (MAX_ELEMENT - 40) / (unit.len() + 1)].join(","));
            let used = allocation_counter::measure(|| {
                assert_eq!(fold(body.as_bytes(), &settings(), &[65_536]).map(|view| view.by_status[4]), Ok(1));
            });
            assert!(used.bytes_max < 16 << 20, "{} bytes for {key} of {unit}", used.bytes_max);
        }
    }
}

#[test]
fn blanks_of_any_length_between_elements_are_nothing() {
    let settings = settings();
    let blank = " \n\t\r".repeat(MAX_ELEMENT / 4 + 1);
    for body in [format!("{blank}[]"), format!("[{{}},{blank}null]")] {
        let cuts: Vec<usize> = (0..body.len()).step_by(65_536).collect();
        let view = fold(body.as_bytes(), &settings, &cuts).expect("a whole list");
        assert_eq!(view.by_status[Status::Unknown as usize], if body.contains("null") { 2 } else { 0 });
    }
    for body in ["\u{feff} []", "\u{feff}[]"] {
        assert!(fold(body.as_bytes(), &settings, &[1, 3, 4]).is_ok(), "{body:?}");
    }
    for body in [" \u{feff}[]", "\u{feff}\u{feff}[]", "[]\u{c}", "\u{c}[]", "[\u{b}]"] {
        assert!(fold(body.as_bytes(), &settings, &[1, 3, 4]).is_err(), "{body:?}");
    }
}

#[test]
fn distinct_values_beyond_reason_are_refused_instead_of_filling_the_memory() {
    let mut fold = Fold::new(Arc::new(Rules::new(&settings())), Millis(NOW));
    fold.write(b"[").expect("a list so far");
    let name = "x".repeat(245);
    let error =
        (0..200_000).find_map(|n| fold.write(format!("{{\"orgRoleNames\":[\"{n}{name}\"]}},").as_bytes()).err());
    assert_eq!(error, Some(ListError::TooVaried));
}

/// Groups as long as real ones are: alike at the start, different somewhere behind it.
fn long_group() -> impl Strategy<Value = String> {
    let id = prop::sample::select(vec!["\"4ce9fe46-9901-46e3-97d1-6bc7ad844dc5\"", "7", "null"]);
    let name = prop::sample::select(vec!["\"Platform\"", "\"Äpfel \\\"x\\\"\"", "[]", "\"\""]);
    let role = prop::sample::select(vec!["org_owner", "developer", "", "\\u006frg_admin"]);
    let end = prop::sample::select(vec!["}", ",\"domain\":\"example.com\"}", ",\"domain\":5}", ",\"id\":\"g9\"}"]);
    (id, any::<bool>(), name, role, end).prop_map(|(id, blanks, name, role, end)| {
        let blanks = if blanks { "  " } else { "" };
        let start = format!("{{\"id\":{id},{blanks}\"description\":\"the same words for each of the groups here\"");
        format!("{start},\"displayName\":{name},\"organizationRoles\":[{{\"name\":\"{role}\"}},3]{end}")
    })
}

proptest! {
    #[test]
    fn repeated_groups_count_each_time_as_if_they_were_new(
        pool in prop::collection::vec(long_group(), 1..4),
        picks in prop::collection::vec(prop::collection::vec(0..4_usize, 0..4), 1..30),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let element = |picks: &Vec<usize>| {
            let groups: Vec<&str> = picks.iter().map(|pick| pool[pick % pool.len()].as_str()).collect();
            format!("{{\"status\":\"REVOKED\",\"customGroups\":[{}]}}", groups.join(","))
        };
        let body = format!("[{}]", picks.iter().map(element).collect::<Vec<_>>().join(","));
        let list: Vec<Value> = serde_json::from_str(&body).expect("valid JSON");
        let view = fold(body.as_bytes(), &settings(), &cuts).expect("a whole list");
        prop_assert_eq!(observed(&view), reference::count(&list, &settings(), NOW));
    }
}
