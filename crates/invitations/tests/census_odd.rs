//! Counting on particular lists: odd, broken, huge, or cut where it hurts.

#[path = "common/lists.rs"]
mod lists;
#[path = "common/observed.rs"]
mod observed;
#[path = "common/reference.rs"]
mod reference;

use std::sync::Arc;

use invitations::census::{CensusBuilder, Criteria, ListError, MAX_ELEMENT};
use invitations::settings::Metrics;
use invitations::{Millis, Status};
use lists::{DAY, NOW, count_list, filter, settings};
use observed::observed;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn bytes_may_arrive_one_by_one() {
    let list =
        json!([{"status": "AVAILABLE", "username": "é@example.com", "expirationTime": NOW + 5}, null, 17, "x😀"]);
    let body = serde_json::to_vec(&list).expect("JSON");
    let cuts: Vec<usize> = (0..body.len()).collect();
    let view = count_list(&body, &settings(), &cuts).expect("a whole list");
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
            let view = count_list(&body, &settings(), &cuts).expect("a whole list");
            assert_eq!(observed(&view), expected, "in pieces of {length}");
        }
    }
}

#[test]
fn what_is_not_a_list_fails_and_says_what_it_looks_like() {
    let settings = settings();
    let error = |body: &[u8]| count_list(body, &settings, &[]).expect_err("not a list");
    assert_eq!(error(b""), ListError::NotAList { html: false });
    assert_eq!(error(b"  <!DOCTYPE html><html>"), ListError::NotAList { html: true });
    assert_eq!(error(b"null"), ListError::NotAList { html: false });
    assert_eq!(error("[".repeat(5000).as_bytes()), ListError::TooDeep);
    assert_eq!(error(b"\xff\xfe"), ListError::NotUtf8);
    assert_eq!(error(b"[{\"a\":\xff}]"), ListError::NotUtf8);
    assert_eq!(error(b"[{}"), ListError::Cut { offset: 3 });
    assert_eq!(error(b"[1"), ListError::Cut { offset: 2 });
    for body in [&b"[{},]"[..], b"[,{}]", b"[{} {}]", b"[]]", b"[] x", b"[01]", b"[NaN]", b"['a']"] {
        assert!(matches!(error(body), ListError::Malformed { .. }), "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(count_list(b"\xef\xbb\xbf [ ] \r\n", &settings, &[1, 2, 5]).map(|view| view.by_status), Ok([0; 5]));
}

#[test]
fn numbers_too_large_for_a_double_harm_nothing_but_their_field() {
    let body = br#"[{"status":"AVAILABLE","generatedAt":1e400,"orgRoleNames":1e999,"x":-1e999},1e400]"#;
    let view = count_list(body, &settings(), &[]).expect("a whole list");
    assert_eq!(view.by_status, [1, 0, 0, 0, 1]);
    assert_eq!(view.anomalies, [0, 1, 1, 0, 2, 0]);
}

#[test]
fn of_a_key_that_occurs_twice_the_last_counts() {
    let body =
        br#"[{"status":5,"orgRoleNames":["a"],"status":"REVOKED","orgRoleNames":["b"],"\u0073tatus":"REDEEMED"}]"#;
    let view = count_list(body, &settings(), &[]).expect("a whole list");
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
        let view = count_list(body.as_bytes(), &settings(), &[]).expect("a whole list");
        assert_eq!(observed(&view), reference::count(&list, &settings(), NOW), "{body}");
        assert_eq!(view.privileged, [0; 5], "{body}");
    }
}

#[test]
fn an_object_in_place_of_the_list_is_told_by_the_key_of_its_list() {
    let settings = settings();
    let key = |body: &str, cuts: &[usize]| match count_list(body.as_bytes(), &settings, cuts) {
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
    let view = count_list(body, &settings(), &[]).expect("a whole list");
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
            let view = count_list(&body, &settings(), &[]).expect("a whole list");
            let groups: Vec<_> = view.by_group.iter().map(|row| (row.group.as_str(), row.counts[4])).collect();
            assert_eq!(groups.len(), 2);
            assert!(groups.iter().all(|(name, _)| name.len() == 256 + 3 + 8) && groups[0].0 != groups[1].0);
            assert_eq!(view.by_role_and_group.expect("pairs").rows().len(), 201);
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
    let view = count_list(&body.expect("JSON"), &settings, &[]).expect("a whole list");
    let roles: Vec<_> = view.by_role.iter().map(|row| (row.role.as_str(), row.counts[4])).collect();
    assert_eq!(roles, [("ops\u{fffd}", 1), ("org_owner\u{fffd}", 1), ("other", 1)]);
    assert_eq!(view.privileged[4], 1);
}

#[test]
fn an_element_of_any_depth_is_passed_over_and_one_of_any_length_is_refused() {
    let deep = format!("[{{\"status\":\"REVOKED\",\"x\":{}1{}}}]", "[".repeat(900), "]".repeat(900));
    assert_eq!(count_list(deep.as_bytes(), &settings(), &[]).map(|view| view.by_status), Ok([0, 0, 0, 1, 0]));
    let mut builder = CensusBuilder::new(Arc::new(Criteria::new(&settings())), Millis(NOW));
    builder.write(b"[{\"x\":\"").expect("a list so far");
    let piece = vec![b'x'; 1 << 20];
    let error = (0..64).find_map(|_| builder.write(&piece).err());
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
                    let result = count_list(body.as_bytes(), &settings, &cuts).map(|view| view.by_status[4] > 0);
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
                assert_eq!(count_list(body.as_bytes(), &settings(), &[65_536]).map(|view| view.by_status[4]), Ok(1));
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
        let view = count_list(body.as_bytes(), &settings, &cuts).expect("a whole list");
        assert_eq!(view.by_status[Status::Unknown as usize], if body.contains("null") { 2 } else { 0 });
    }
    for body in ["\u{feff} []", "\u{feff}[]"] {
        assert!(count_list(body.as_bytes(), &settings, &[1, 3, 4]).is_ok(), "{body:?}");
    }
    for body in [" \u{feff}[]", "\u{feff}\u{feff}[]", "[]\u{c}", "\u{c}[]", "[\u{b}]"] {
        assert!(count_list(body.as_bytes(), &settings, &[1, 3, 4]).is_err(), "{body:?}");
    }
}

#[test]
fn distinct_values_beyond_reason_are_refused_instead_of_filling_the_memory() {
    let mut builder = CensusBuilder::new(Arc::new(Criteria::new(&settings())), Millis(NOW));
    builder.write(b"[").expect("a list so far");
    let name = "x".repeat(245);
    let error =
        (0..200_000).find_map(|n| builder.write(format!("{{\"orgRoleNames\":[\"{n}{name}\"]}},").as_bytes()).err());
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
        let view = count_list(body.as_bytes(), &settings(), &cuts).expect("a whole list");
        prop_assert_eq!(observed(&view), reference::count(&list, &settings(), NOW));
    }
}
