//! Rows in each format.

use std::io;

use invitations::Millis;
use invitations::census::{CarriedGroup, Invitation};
use serde::Serialize;

use super::Row;
use super::cells::{COLUMNS, Times, cells, clean, exact};
use super::table::{Table, layout};
use crate::cli::ListFormat;

/// The whole output, and the columns for which there is no place in it. `width` is that of the terminal, where there is one.
pub(super) fn rows(
    rows: &[Row],
    format: ListFormat,
    now: Millis,
    width: Option<usize>,
) -> io::Result<(Vec<u8>, Vec<&'static str>)> {
    let lines = |times| rows.iter().map(|row| cells(row, times)).collect::<Vec<_>>();
    let text = match format {
        ListFormat::Table if rows.is_empty() => Vec::new(),
        ListFormat::Table => {
            let Table { text, left_out } = layout(COLUMNS, &lines(Times::Relative(now)), width);
            return Ok((text.into_bytes(), left_out));
        }
        ListFormat::Csv => csv(&lines(Times::Exact))?,
        ListFormat::Json => json(rows)?,
        ListFormat::Markdown => markdown(&lines(Times::Relative(now))).into_bytes(),
    };
    Ok((text, Vec::new()))
}

/// Quoted as RFC 4180 has it, with the head also where there are no rows.
fn csv(lines: &[[String; COLUMNS.len()]]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|column| column.name))?;
    for line in lines {
        writer.write_record(line.iter().map(|field| defused(field)))?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// A field that a spreadsheet would run as a formula gets an apostrophe in front, as OWASP advises ("CSV injection"); some
/// editions take full-width signs for formulas, too. So does what stands behind a semicolon, which ends a field where commas are
/// for decimals.
fn defused(field: &str) -> String {
    let defused = |part: &str| {
        let start = part.len() - part.trim_start_matches([' ', '\u{a0}', '\u{feff}']).len();
        let (blanks, rest) = part.split_at(start);
        let is_run = rest.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r']);
        format!("{blanks}{}{rest}", if is_run { "'" } else { "" })
    };
    field.split(';').map(defused).collect::<Vec<_>>().join(";")
}

/// A table that no cell can break out of: no HTML, link, code, formula or emphasis of a name is read as such. An underscore
/// within a word emphasizes nothing, and names of roles are full of them: it stays.
fn markdown(lines: &[[String; COLUMNS.len()]]) -> String {
    let row = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut text = row(&mut COLUMNS.iter().map(|column| column.name.to_owned()));
    text += &row(&mut COLUMNS.iter().map(|_| "---".to_owned()));
    for line in lines {
        text += &row(&mut line.iter().map(|cell| escaped(cell)));
    }
    text
}

fn escaped(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    for (index, c) in cell.char_indices() {
        let (before, behind) = (&cell[..index], &cell[index + c.len_utf8()..]);
        let is_special = match c {
            '\\' | '|' | '`' | '*' | '[' | ']' | '~' | '$' => true,
            '_' => !(before.ends_with(char::is_alphanumeric) && behind.starts_with(char::is_alphanumeric)),
            // Addresses become links by themselves in many readers.
            ':' => behind.starts_with("//"),
            '.' => before.to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            c if is_special => {
                text.push('\\');
                text.push(c);
            }
            c => text.push(c),
        }
    }
    text
}

#[derive(Serialize)]
struct Object<'r> {
    organization: String,
    username: Option<String>,
    status: &'r str,
    organization_roles: Vec<String>,
    service_roles: Vec<String>,
    custom_roles: Vec<String>,
    groups: Vec<GroupObject>,
    invited_by: Option<String>,
    generated: Option<String>,
    expires: Option<String>,
    redeemed: Option<String>,
    revoked: Option<String>,
}

#[derive(Serialize)]
struct GroupObject {
    id: String,
    name: String,
}

fn json(rows: &[Row]) -> io::Result<Vec<u8>> {
    let objects: Vec<Object<'_>> = rows.iter().map(object).collect();
    let mut text = serde_json::to_vec_pretty(&objects)?;
    text.push(b'\n');
    Ok(text)
}

fn object(row: &Row) -> Object<'_> {
    let Row { organization, invitation } = row;
    let Invitation { username, status, roles, groups, invited_by, generated, expires, redeemed, revoked, .. } =
        invitation;
    let [organization_roles, service_roles, custom_roles] =
        roles.each_ref().map(|names| names.iter().map(|name| clean(name)).collect());
    let person = |name: &Option<String>| name.as_deref().map(clean);
    let group = |CarriedGroup { id, name }: &CarriedGroup| GroupObject { id: clean(id), name: clean(name) };
    Object {
        organization: clean(organization),
        username: person(username),
        status: status.as_str(),
        organization_roles,
        service_roles,
        custom_roles,
        groups: groups.iter().map(group).collect(),
        invited_by: person(invited_by),
        generated: generated.map(exact),
        expires: expires.map(exact),
        redeemed: redeemed.map(exact),
        revoked: revoked.map(exact),
    }
}
