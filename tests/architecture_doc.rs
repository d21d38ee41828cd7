//! The pages for people who change the source name files that are there.
#![allow(clippy::unwrap_used, reason = "a test: the panic is the report")]

use std::path::Path;

/// The targets of a page's links that are files.
fn linked(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn every_file_that_is_pointed_at_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, page) in [("docs", include_str!("../docs/architecture.md")), ("", include_str!("../CONTRIBUTING.md"))]
    {
        let targets = linked(page);
        assert!(targets.len() > 20, "{targets:?}");
        for target in targets {
            assert!(root.join(folder).join(target).exists(), "{target}");
        }
    }
}

#[test]
fn every_crate_and_every_module_of_the_exporter_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = include_str!("../docs/architecture.md");
    for krate in std::fs::read_dir(root.join("crates")).unwrap() {
        let name = krate.unwrap().file_name().into_string().unwrap();
        assert!(page.contains(&format!("(../crates/{name})")), "{name}");
        let copied = format!("COPY crates/{name}/Cargo.toml crates/{name}/\n");
        assert!(include_str!("../Dockerfile").contains(&copied), "the image is built without {name}");
    }
    // The documentation of one is an example of its own, which the compiler reads with the source.
    let left_out = include_str!("../.dockerignore");
    assert!(!left_out.contains("examples"), "the image is built without what the sources include");
    let lines = include_str!("../src/lib.rs").lines().map(|line| line.strip_prefix("pub ").unwrap_or(line));
    let modules: Vec<&str> = lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 10, "{modules:?}");
    for module in modules {
        assert!(page.contains(&format!("(../src/{module}.rs)")), "{module}");
    }
}
