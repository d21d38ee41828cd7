//! Tells the program what it is built from.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=CSP_EXPORTER_REVISION");
    let revision = std::env::var("CSP_EXPORTER_REVISION")
        .ok()
        .filter(|revision| !revision.is_empty())
        .or_else(git_revision)
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=BUILD_REVISION={revision}");

    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(&rustc, &["--version"]);
    let version = version.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("unknown");
    println!("cargo:rustc-env=BUILD_RUST_VERSION={version}");
}

/// The checked-out commit; none outside of a repository or without git.
fn git_revision() -> Option<String> {
    // A packaged source folder may lie inside of somebody else's repository.
    let root = output("git", &["rev-parse", "--show-toplevel"])?;
    let here = std::env::current_dir().ok()?;
    if std::fs::canonicalize(root).ok()? != std::fs::canonicalize(here).ok()? {
        return None;
    }
    let head = output("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    if std::path::Path::new(&head).exists() {
        println!("cargo:rerun-if-changed={head}");
    }
    output("git", &["rev-parse", "--short=12", "HEAD"])
}

/// What a program prints, when it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
