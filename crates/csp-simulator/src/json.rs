//! The pieces of JSON that invitations and groups are written with.

use std::io::Write as _;

/// Appends a list, with commas between what `write` writes for each of `values`.
pub(super) fn list<T>(out: &mut Vec<u8>, values: impl Iterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.push(b']');
}

/// Appends these parts, one behind the other.
pub(super) fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends text that needs no escapes.
pub(super) fn quoted(out: &mut Vec<u8>, value: &str) {
    put(out, &["\"", value, "\""]);
}

/// Appends a further member of an object.
pub(super) fn number(out: &mut Vec<u8>, key: &str, value: i64) {
    // Writing into a vector cannot fail.
    let _ = write!(out, ",\"{key}\":{value}");
}

/// A time that can be missing, in one of the forms in which it is: not there, `null`, 0.
pub(super) fn time(out: &mut Vec<u8>, key: &str, value: Option<i64>, form: usize) {
    match (value, form) {
        (Some(value), _) => number(out, key, value),
        (None, 0) => put(out, &[",\"", key, "\":null"]),
        (None, 1) => number(out, key, 0),
        (None, _) => {}
    }
}

/// A role that somebody has.
pub(super) struct Binding<'a> {
    pub(super) name: &'a str,
    pub(super) display_name: Option<&'a str>,
    pub(super) membership: &'a str,
    pub(super) organization: &'a str,
    /// Seconds, unlike the times of the invitation itself.
    pub(super) expires: Option<i64>,
    pub(super) created: &'a str,
}

/// Appends a binding as an expanded list shows it.
pub(super) fn binding(out: &mut Vec<u8>, of: &Binding<'_>) {
    put(out, &["{\"id\":null,\"name\":\"", of.name, "\",\"roleName\":null,\"displayName\":"]);
    match of.display_name {
        Some(name) => quoted(out, name),
        None => put(out, &["null"]),
    }
    put(out, &[",\"resource\":\"csp:org:", of.organization, "\",\"membershipType\":\"", of.membership, "\""]);
    match of.expires {
        Some(seconds) => number(out, "expiresAt", seconds),
        None => put(out, &[",\"expiresAt\":null"]),
    }
    let (organization, created) = (of.organization, of.created);
    put(out, &[",\"orgId\":\"", organization, "\",\"createdBy\":\"admin@example.com\",\"createdDate\":\"", created]);
    put(out, &["\",\"lastUpdatedBy\":null,\"lastUpdatedDate\":\"", created, "\"}"]);
}
