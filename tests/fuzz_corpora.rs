//! What fuzzers have found, and what they begin with, on every run: each file of `fuzz/corpus` through the property that
//! fuzzing looks for a counterexample of. `tests/fuzz` looks for more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test: the panic is the report")]
#![allow(clippy::print_stdout, reason = "of a test that failed, cargo shows the file it failed on")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small whole numbers")]

#[path = "../crates/invitations/tests/common/observed.rs"]
mod observed;
#[path = "../crates/invitations/tests/common/reference.rs"]
mod reference;

#[path = "../fuzz/properties/answers.rs"]
mod answers;
#[path = "../fuzz/properties/expositions.rs"]
mod expositions;
#[path = "../fuzz/properties/headers.rs"]
mod headers;
#[path = "../fuzz/properties/list.rs"]
mod list;
#[path = "../fuzz/properties/server.rs"]
mod server;
#[path = "../fuzz/properties/settings.rs"]
mod settings;
#[path = "../fuzz/properties/state.rs"]
mod state;
#[path = "../fuzz/properties/text.rs"]
mod text;
#[path = "../fuzz/properties/web_settings.rs"]
mod web_settings;

use std::path::Path;

fn each(target: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        holds(&std::fs::read(file).unwrap());
    }
}

#[test]
fn lists_are_read_in_pieces_as_they_are_as_a_whole_and_as_the_reference_reads_them() {
    each("list", list::holds);
}

#[test]
fn texts_pass_their_gate() {
    each("text", text::holds);
}

#[test]
fn answers_are_read_within_bounds() {
    each("answers", answers::holds);
}

#[test]
fn headers_lead_to_a_format_that_there_is() {
    each("headers", headers::holds);
}

#[test]
fn settings_keep_their_promises_or_are_refused_without_a_value() {
    each("settings", settings::holds);
}

#[test]
fn web_settings_are_read_or_refused() {
    each("web_settings", web_settings::holds);
}

#[test]
fn a_damaged_state_never_ends_the_program() {
    each("state", state::holds);
}

#[test]
fn every_format_says_the_same() {
    each("expositions", expositions::holds);
}

#[test]
fn the_server_outlives_what_is_sent_to_it() {
    each("server", server::holds);
}
