//! What comes out, by format.

use std::sync::Arc;

use invitations::Status;
use invitations::census::CarriedGroup;

use super::*;
use crate::cli::ListFormat;

mod random;

const NOW: Millis = Millis(1_700_000_000_000);

fn row(username: &str) -> Row {
    let invitation = Invitation {
        username: Some(username.to_owned()),
        status: Status::Available,
        roles: [vec!["org_owner".to_owned(), "org_member".to_owned()], vec!["vmc-user:full".to_owned()], Vec::new()],
        groups: vec![
            CarriedGroup { id: "g-1".to_owned(), name: "Team <A|B>".to_owned() },
            CarriedGroup { id: "g-2".to_owned(), name: "g-2".to_owned() },
        ],
        invited_by: None,
        generated: Some(Millis(NOW.0 - 4 * Millis::DAY)),
        expires: Some(Millis(NOW.0 + 3 * Millis::DAY)),
        redeemed: None,
        revoked: None,
        is_privileged: true,
        is_external: false,
        is_duplicate: false,
        is_lapsed: false,
    };
    Row { organization: Arc::from("acme"), invitation }
}

fn text(rows: &[Row], format: ListFormat) -> String {
    String::from_utf8(write::rows(rows, format, NOW, None).unwrap().0).unwrap()
}

#[test]
fn json_is_an_array_of_objects_with_null_for_what_is_absent() {
    let value: serde_json::Value = serde_json::from_str(&text(&[row("a@example.com")], ListFormat::Json)).unwrap();
    assert_eq!(
        value,
        serde_json::json!([{
            "organization": "acme", "username": "a@example.com", "status": "available",
            "organization_roles": ["org_owner", "org_member"], "service_roles": ["vmc-user:full"], "custom_roles": [],
            "groups": [{"id": "g-1", "name": "Team <A|B>"}, {"id": "g-2", "name": "g-2"}],
            "invited_by": null, "generated": "2023-11-10T22:13:20Z", "expires": "2023-11-17T22:13:20Z",
            "redeemed": null, "revoked": null
        }])
    );
    assert_eq!(text(&[], ListFormat::Json), "[]\n");
}

#[test]
fn csv_defuses_what_a_spreadsheet_would_run() {
    for (name, written) in [
        ("=1+1@example.com", "'=1+1@example.com"),
        ("+a", "'+a"),
        ("-a", "'-a"),
        ("@a", "'@a"),
        ("a,b\"c", "\"a,b\"\"c\""),
        ("\ta", "\u{fffd}a"),
        ("a=b", "a=b"),
        ("a;=1", "a;'=1"),
        (" =1; -2", " '=1; '-2"),
        ("\u{feff}\u{a0}=1", "\u{feff}\u{a0}'=1"),
        ("＝1+1;－2", "'＝1+1;'－2"),
    ] {
        let csv = text(&[row(name)], ListFormat::Csv);
        let line = csv.lines().nth(1).unwrap();
        let roles = "available,org_owner; org_member,vmc-user:full,,Team <A|B> (g-1); g-2,,";
        let times = "2023-11-10T22:13:20Z,2023-11-17T22:13:20Z,,";
        assert_eq!(line, format!("acme,{written},{roles}{times}"));
    }
    assert_eq!(text(&[], ListFormat::Csv).lines().count(), 1);
}

#[test]
fn markdown_cells_can_break_neither_the_table_nor_the_page() {
    let markdown = text(&[row("<img src=x>|[a](http://b)`c`")], ListFormat::Markdown);
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[2].starts_with("| acme | &lt;img src=x&gt;\\|\\[a\\](http\\://b)\\`c\\` | available |"),
        "{}",
        lines[2]
    );
    assert!(lines[2].contains("Team &lt;A\\|B&gt; (g-1)") && lines[2].contains("2023-11-17 (in 3 days)"));
}

#[test]
fn markdown_shows_names_letter_for_letter() {
    for (name, written) in [
        ("__proto__@x", "\\_\\_proto\\_\\_@x"),
        ("org_owner", "org_owner"),
        ("~~a~~ $b$", "\\~\\~a\\~\\~ \\$b\\$"),
        ("www.evil.example", "www\\.evil.example"),
        ("vmc-user:full", "vmc-user:full"),
    ] {
        let markdown = text(&[row(name)], ListFormat::Markdown);
        assert!(markdown.contains(&format!("| {written} | available |")), "{markdown}");
    }
}

#[test]
fn what_turns_the_direction_of_a_line_or_ends_it_reaches_no_format() {
    for format in [ListFormat::Table, ListFormat::Csv, ListFormat::Json, ListFormat::Markdown] {
        let out = text(&[row("a\u{202e}moc.live\u{2066}\u{2028}b שלום")], format);
        assert!(out.contains("a\u{fffd}moc.live\u{fffd}\u{fffd}b שלום"), "{out}");
    }
}

#[test]
fn a_terminal_of_any_width_gets_lines_that_fit_and_hears_what_is_missing() {
    use unicode_width::UnicodeWidthStr as _;
    let people = [row("ann.longname@example.com"), row("日本語の長い名前の人です@example.jp"), row("👩‍💻@example.com")];
    for width in [40, 80, 120, 200, 300] {
        let (text, left_out) = write::rows(&people, ListFormat::Table, NOW, Some(width)).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        for line in text.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
        assert!(text.contains("USERNAME"), "{text}");
        assert!(text.contains("2023-11-17 (in 3 days)"), "{text}");
        let named = ["organization", "status", "groups"].map(|column| left_out.contains(&column));
        assert_eq!(named, [width < 80, width < 80, width < 120], "{width}: {left_out:?}\n{text}");
    }
}

#[test]
fn control_characters_reach_no_format() {
    for format in [ListFormat::Table, ListFormat::Csv, ListFormat::Json, ListFormat::Markdown] {
        let out = text(&[row("a\u{1b}[2J\r\n\u{85}\u{7f}b")], format);
        assert!(out.contains("a\u{fffd}"), "{out}");
        assert!(!out.contains(|c: char| c.is_control() && c != '\n'), "{out:?}");
    }
}

#[test]
fn the_table_is_for_people() {
    let table = text(&[row("a@example.com")], ListFormat::Table);
    assert!(table.starts_with("ORGANIZATION  USERNAME"), "{table}");
    assert!(table.contains("2023-11-10 (4 days ago)") && table.contains("2023-11-17 (in 3 days)"), "{table}");
    assert_eq!(text(&[], ListFormat::Table), "");
}
