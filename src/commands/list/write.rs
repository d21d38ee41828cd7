//! Rows in each format.

use std::io;

use invitations::Millis;
use invitations::census::{CarriedGroup, Invitation};
use serde::Serialize;

use super::Row;
use super::cells::{COLUMNS, Times, cells, clean, exact};
use super::table::layout;
use crate::cli::ListFormat;

/// The whole output. `width` is that of the terminal, where there is one.
pub(super) fn rows(rows: &[Row], format: ListFormat, now: Millis, width: Option<usize>) -> io::Result<Vec<u8>> {
    let lines = |times| rows.iter().map(|row| cells(row, times)).collect::<Vec<_>>();
    match format {
        ListFormat::Table if rows.is_empty() => Ok(Vec::new()),
        ListFormat::Table => Ok(layout(COLUMNS, &lines(Times::Relative(now)), width).into_bytes()),
        ListFormat::Csv => csv(&lines(Times::Exact)),
        ListFormat::Json => json(rows),
        ListFormat::Markdown => Ok(markdown(&lines(Times::Relative(now))).into_bytes()),
    }
}

/// Quoted as RFC 4180 has it, with the head also where there are no rows.
fn csv(lines: &[[String; COLUMNS.len()]]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for line in lines {
        writer.write_record(line.iter().map(|field| defused(field)))?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// A field that a spreadsheet would run as a formula gets an apostrophe in front, as OWASP advises ("CSV injection").
fn defused(field: &str) -> String {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{field}") } else { field.to_owned() }
}

/// A table that no cell can break out of: no HTML, link, code or emphasis of a name is read as such. An underscore within
/// a word emphasizes nothing, and names of roles are full of them: it stays.
fn markdown(lines: &[[String; COLUMNS.len()]]) -> String {
    let row = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut text = row(&mut COLUMNS.iter().map(|&column| column.to_owned()));
    text += &row(&mut COLUMNS.iter().map(|_| "---".to_owned()));
    for line in lines {
        text += &row(&mut line.iter().map(|cell| escaped(cell)));
    }
    text
}

fn escaped(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    for c in cell.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '\\' | '|' | '`' | '*' | '[' | ']' => {
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
        roles.each_ref().map(|names| names.iter().map(|name| clean(name).into_owned()).collect());
    let person = |name: &Option<String>| name.as_deref().map(|name| clean(name).into_owned());
    let group = |CarriedGroup { id, name }: &CarriedGroup| GroupObject {
        id: clean(id).into_owned(),
        name: clean(name).into_owned(),
    };
    Object {
        organization: clean(organization).into_owned(),
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
