//! What ends up on standard error.

use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(level: Level, format: Format, events: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    tracing::subscriber::with_default(subscriber(level, format, move || writer.clone()), events);
    let bytes = captured.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

fn rich() {
    let span = tracing::info_span!("poll", organization = "acme");
    let _entered = span.enter();
    tracing::info!(count = 3, ratio = 0.5, ok = true, text = "a b", path = %"x=y", msg = "other", "poll \"done\"\nlevel=error");
}

#[test]
fn logfmt_quotes_what_would_break_a_line() {
    let line = logged(Level::Info, Format::Logfmt, rich);
    let (ts, rest) = line.split_once(' ').unwrap();
    assert!(ts.starts_with("ts=2") && ts.ends_with('Z') && ts.len() == "ts=2026-11-22T23:46:00.123Z".len(), "{ts}");
    assert_eq!(
        rest,
        "level=info msg=\"poll \\\"done\\\"\\nlevel=error\" count=3 ratio=0.5 ok=true text=\"a b\" path=\"x=y\" msg_=other organization=acme\n"
    );
}

#[test]
fn json_has_the_same_keys_in_one_object_a_line() {
    let line = logged(Level::Info, Format::Json, rich);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line.lines().count(), 1);
    assert_eq!(value["level"], "info");
    assert_eq!(value["msg"], "poll \"done\"\nlevel=error");
    assert_eq!((value["count"].as_u64(), value["organization"].as_str()), (Some(3), Some("acme")));
}

#[test]
fn one_event_is_one_line_whatever_is_in_it() {
    let nasty = "a\r\nb\u{0}\u{1b}[31m\u{85}\u{2028}\u{2029}";
    for format in [Format::Logfmt, Format::Json] {
        let line = logged(Level::Info, format, || tracing::info!(value = nasty, "{nasty}"));
        assert!(
            line.ends_with('\n') && !line.trim_end().contains(|c: char| c.is_control() || c == '\u{2028}'),
            "{line:?}"
        );
    }
}

#[test]
fn the_level_is_for_this_crate_and_dependencies_stay_at_warn() {
    let events = || {
        tracing::trace!("own trace");
        tracing::trace!(target: "hyper::proto", "Authorization: secret");
        tracing::info!(target: "reqwest::connect", "secret");
        tracing::warn!(target: "h2", "warned");
    };
    let all = logged(Level::Trace, Format::Logfmt, events);
    assert!(all.contains("own trace") && all.contains("warned") && !all.contains("secret"), "{all}");
    assert_eq!(logged(Level::Error, Format::Logfmt, events), "");
}

#[test]
fn every_crate_of_the_workspace_is_heard() {
    let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/crates")).unwrap();
    let names = crates.map(|entry| entry.unwrap().file_name().to_str().unwrap().replace('-', "_"));
    for name in names {
        assert!(OWN.contains(&name.as_str()), "{name}");
    }
}
