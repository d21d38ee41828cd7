//! The reader as a whole, on a small schema that has every shape.

use proptest::prelude::*;

use super::*;

#[expect(clippy::unnecessary_wraps, reason = "the signature that the reader asks for")]
fn schema(mut root: Fields<'_, '_>) -> Option<(Option<std::time::Duration>, Vec<String>)> {
    let timeout = root.optional("timeout", positive_duration);
    root.optional("size", size);
    root.optional("rate", rate);
    root.optional("on", boolean);
    root.optional("max", count::<u32>);
    let names = root.list("names", text).unwrap_or_default();
    root.values("users", text);
    root.mappings("items", |mut item| {
        let id = item.required("id", text);
        item.finish();
        id
    });
    root.named("apps", |_, mut app| {
        app.optional("secret_file", text);
        app.finish();
        Some(())
    });
    let mut tls = root.section("tls");
    tls.optional("ca_file", text);
    tls.finish();
    root.finish();
    Some((timeout, names))
}

fn problems(source: &str) -> Vec<String> {
    match read(source.as_bytes(), schema) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn all_problems_are_reported_with_path_and_line() {
    let source = "timeout: 0s\nsize: big\nrate: -1\non: yes\nmax: \"5\"\nnames: [a, [b], {c: d}]\n\
                  items:\n  - id: x\n  - {}\n  - {id: y, ids: z}\n  - nope\napps:\n  a: {secretfile: x}\ntls: []\nwhat: 1\nmax: 6\n";
    assert_eq!(
        problems(source),
        [
            "line 1: timeout: must be above 0",
            "line 2: size: expected a size such as 1GiB, 512MiB or 10MB",
            "line 3: rate: expected a number, 0 or more",
            "line 4: on: expected true or false",
            "line 5: max: expected a whole number, 0 or more, found text in quotes",
            "line 6: names[1]: expected text, found a list",
            "line 6: names[2]: expected text, found a mapping",
            "line 9: items[1].id: is missing",
            "line 10: items[2].ids: unknown key; did you mean id?",
            "line 11: items[3]: expected a mapping of keys, found a single value",
            "line 13: apps.a.secretfile: unknown key; did you mean secret_file?",
            "line 14: tls: expected a mapping of keys, found a list",
            "line 15: what: unknown key; known here are timeout, size, rate, on, max, names, users, items, apps, tls",
            "line 16: max: duplicate key; first given in line 5",
        ]
    );
}

#[test]
fn empty_documents_and_empty_sections_are_empty_mappings() {
    for source in
        ["", "# only a comment\n", "---\n", "---\n...\n", "null\n", "\u{feff}", "tls:\n", "names:\nusers: ~\n"]
    {
        assert_eq!(problems(source), [""; 0], "{source:?}");
    }
}

#[test]
fn what_is_not_one_document_of_text_is_refused() {
    assert_eq!(problems("timeout: 1s\n---\nsize: 1\n"), ["line 2: a second document starts here; only one is allowed"]);
    assert_eq!(problems("[]"), ["line 1: expected a mapping of keys, found a list"]);
    assert_eq!(problems("timeout: !!int 5s\n"), ["line 1: timeout: YAML tags other than !!str are not supported"]);
    assert_eq!(problems("? [a]\n: b\n"), ["line 1: a key must be text, found a list"]);
    let error = read(b"timeout: 1s\n\xff\n", schema).unwrap_err();
    assert_eq!(error.to_string(), "line 2: the file is not UTF-8 text");
    for broken in
        ["timeout: [\n", "a: b: hunter2\n", "\"hunter2\n", "users: {a: 'hunter2\n", "@hunter2", "%hunter2 x\n"]
    {
        let found = problems(broken);
        assert_eq!(found.len(), 1, "{broken:?}: {found:?}");
        assert!(found[0].contains("not valid YAML") && !found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn aliases_repeat_a_value_but_not_without_bound() {
    let (_, names) = read(b"names: [&n abc, *n]\n", schema).unwrap();
    assert_eq!(names, ["abc", "abc"]);
    let levels: Vec<_> = (1..30).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)).collect();
    let bomb = format!("a0: &a0 [x, x]\n{}", levels.concat());
    let found = problems(&bomb);
    assert!(found.len() == 1 && found[0].ends_with("too large with all aliases expanded"), "{found:?}");
    let itself = problems("a: &a [*a]\n");
    assert_eq!(itself, ["line 1: an alias inside of what it stands for"]);
    let deep = problems(&format!("names: {}{}", "[".repeat(40), "]".repeat(40)));
    assert_eq!(deep, ["line 1: nested deeper than 32 levels"]);
}

#[test]
fn merge_keys_bring_what_a_mapping_does_not_have_itself() {
    for source in [
        "<<: {timeout: 5s, names: [merged]}\nnames: [own]\n",
        "names: [own]\n<<: {timeout: 5s, names: [merged]}\n",
        "<<: [{timeout: 5s}, {timeout: 9s, names: [later]}]\nnames: [own]\n",
        "<<: [{timeout: 5s, names: [own]}, {names: [later]}]\n",
        "<<: {<<: {timeout: 5s, names: [inner]}, names: [own]}\n",
    ] {
        let (timeout, names) = read(source.as_bytes(), schema).unwrap();
        assert_eq!((timeout, names), (Some(std::time::Duration::from_secs(5)), vec!["own".to_owned()]), "{source}");
    }
    // Each of these is checked as if it stood where it is merged.
    assert_eq!(
        problems("items:\n  - &a {id: x}\n  - {<<: *a}\napps: {a: &b {secret_file: x}, b: {<<: [*b]}}\n"),
        [""; 0]
    );
    assert_eq!(problems("<<: {timeout: 0s}\n"), ["line 1: timeout: must be above 0"]);
    assert_eq!(problems("<<: {timeouts: 1s}\n"), ["line 1: timeouts: unknown key; did you mean timeout?"]);
    assert_eq!(problems("<<: 5\n"), ["line 1: <<: expected a mapping, or a list of mappings, to merge"]);
    assert_eq!(problems("<<: [{}, 5]\n"), ["line 1: <<: expected a mapping, or a list of mappings, to merge"]);
    assert_eq!(problems("<<: {}\n<<: {}\n"), ["line 2: <<: duplicate key; merge a list instead"]);
    assert!(problems("\"<<\": {}\n")[0].starts_with("line 1: <<: unknown key"), "in quotes it is a key like any other");
}

#[test]
fn a_key_is_known_again_however_many_are_before_it() {
    for count in [1, 15, 16, 17, 18, 40] {
        let own: Vec<_> = (0..count).map(|number| format!("  k{number}: {{secret_file: x}}\n")).collect();
        let own = own.concat();
        let last = count - 1;
        let source = format!("apps:\n{own}  k0: {{}}\n  <<: {{k{last}: {{wrong: x}}}}\n  k{last}: {{}}\n");
        let again = |line, key, first| format!("line {line}: apps.k{key}: duplicate key; first given in line {first}");
        assert_eq!(problems(&source), [again(count + 2, 0, 2), again(count + 4, last, count + 1)], "{count}");
    }
}

#[test]
fn a_quoted_value_is_text_and_a_plain_one_is_text_where_text_is_asked_for() {
    assert_eq!(read(b"names: [0123, true, \"5\", !!str null]", schema).unwrap().1, ["0123", "true", "5", "null"]);
    assert_eq!(problems("on: \"true\"\n"), ["line 1: on: expected true or false, found text in quotes"]);
    assert_eq!(problems("names: [\"\"]\n"), ["line 1: names[0]: must not be empty"]);
}

#[test]
fn durations_are_whole_numbers_with_units_largest_first() {
    let seconds = |text| parse_duration(text).map(|duration| duration.as_secs_f64());
    for (text, expected) in [
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h 30m", 5400.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("1d", 86400.0),
        ("1w", 604_800.0),
        ("1 h", 3600.0),
        ("0s", 0.0),
    ] {
        assert_eq!(seconds(text), Some(expected), "{text}");
    }
    for text in ["", "5", "-5s", "1.5s", "5x", "30m 1h", "5s 5s", "s", "1h-", "1 month", "99999999999999999999s", "5µs"]
    {
        assert_eq!(seconds(text), None, "{text}");
    }
    assert_eq!(
        problems("timeout: 30\n"),
        ["line 1: timeout: expected a duration such as 30s, 5m or 1h 30m; the number needs a unit"]
    );
    assert_eq!(problems("timeout: 53w\n"), ["line 1: timeout: must not be longer than 365d"]);
}

#[test]
fn a_value_glued_to_its_key_is_not_shown() {
    assert_eq!(problems("tls: {ca_file:hunter2}\n")[0].split(": unknown").next(), Some("line 1: tls.ca_file…"));
}

#[test]
fn debug_output_shows_no_value() {
    let mut reading = Reading::default();
    let tree = build::tree(b"users: {a: hunter2}", &mut reading).unwrap();
    let fields = Fields::of(&tree, Path::default(), &mut reading);
    assert!(!format!("{tree:?} {:?} {fields:?}", tree.value).contains("hunter2"));
}

#[test]
fn known_keys_are_what_the_reader_asks_for() {
    let keys = known_keys(b"items: [{}]\napps: {x: {}}\nusers: {x: y}\n", schema);
    for key in ["items[].id", "apps.*.secret_file", "tls.ca_file", "users.*", "timeout"] {
        assert!(keys.iter().any(|known| known == key), "{key} in {keys:?}");
    }
}

const CANARY: &str = "CaNaRy-5ecret";

fn yaml() -> impl Strategy<Value = String> {
    let keys =
        ["timeout", "size", "rate", "on", "max", "names", "users", "items", "apps", "tls", "id", "ca_file", "other"];
    let key = prop::sample::select(keys.to_vec());
    let scalar = prop::sample::select(vec![
        CANARY.to_owned(),
        format!("\"{CANARY}\""),
        format!("'{CANARY}'"),
        format!("{CANARY}: {CANARY}"),
        format!("!{CANARY} x"),
        format!("*{CANARY}"),
        format!("&{CANARY} {CANARY}"),
        format!("\"{CANARY}"),
        format!("5{CANARY}"),
        "~".to_owned(),
    ]);
    let value = scalar.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((key.clone(), inner), 0..4).prop_map(|entries| {
                let entries: Vec<_> = entries.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    });
    prop::collection::vec((prop::sample::select(keys.to_vec()), value), 1..6).prop_map(|lines| {
        lines.into_iter().map(|(key, value)| format!("{key}: {value}\n")).collect::<Vec<_>>().concat()
    })
}

proptest! {
    #[test]
    fn no_problem_ever_repeats_a_value(source in yaml()) {
        // In `[a: b]` the scalar is a key, and keys may be shown.
        prop_assume!(!source.contains(&format!("{CANARY}: ")));
        for problem in problems(&source) {
            prop_assert!(!problem.contains(CANARY), "{source}\n{problem}");
        }
    }
}
