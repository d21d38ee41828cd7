//! The table of what came out, which is a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use parking_lot::Mutex;

use crate::hosts::Place;

type Rows = Vec<(String, BTreeMap<String, String>)>;

/// Adds a column to the table of the run, which is a file.
pub(crate) fn write<'p>(column: &str, results: impl Iterator<Item = (&'p Place, &'p Result<String, String>)>) {
    static ROWS: Mutex<(Vec<String>, Rows)> = Mutex::new((Vec::new(), Rows::new()));
    let mut table = ROWS.lock();
    let (columns, rows) = &mut *table;
    columns.push(column.to_owned());
    for (place, result) in results {
        let words = match result {
            Ok(words) => words.clone(),
            Err(words) => format!("**{words}**"),
        };
        let row = rows.iter().position(|(name, _)| *name == place.case.name).unwrap_or_else(|| {
            rows.push((place.case.name.clone(), BTreeMap::new()));
            rows.len() - 1
        });
        rows[row].1.insert(column.to_owned(), words);
    }
    let mut text = format!("| fault | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for (name, cells) in rows.iter() {
        let cells: Vec<&str> = columns.iter().map(|column| cells.get(column).map_or("", String::as_str)).collect();
        writeln!(text, "| {} | {} |", name.replace('|', "\\|"), cells.join(" | ")).unwrap();
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("faults.md"), text).unwrap();
}
