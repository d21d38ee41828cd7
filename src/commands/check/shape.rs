//! The shape report of `check --online --shape`: what a real answer looks like, without saying anything about anybody.
//!
//! Nobody outside the vendor has published an answer of this API, so the first user of each console is asked for this
//! report. It is made to be pasted into a public bug report: of texts it shows only what the API's own vocabulary has, of
//! numbers only how many digits they have, and of keys only those that a program would choose.

mod elements;
mod facts;
mod fetch;
mod json;
mod links;
mod paths;
mod verdicts;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use invitations::Millis;
use invitations::census::{CensusBuilder, Criteria, ListError};

use elements::{Flaw, Part};
use facts::Facts;
use json::Json;

pub(super) use fetch::reports;

/// Paths that a poll reads, below the list.
const READ: [&str; 31] = [
    "",
    ".status",
    ".username",
    ".refLink",
    ".generatedAt",
    ".redeemedAt",
    ".revokedAt",
    ".expirationTime",
    ".orgRoleNames",
    ".orgRoleNames[]",
    ".organizationRoles",
    ".organizationRoles[]",
    ".organizationRoles[].name",
    ".serviceRolesDtos",
    ".serviceRolesDtos[]",
    ".serviceRolesDtos[].serviceRoleNames",
    ".serviceRolesDtos[].serviceRoleNames[]",
    ".serviceRolesDtos[].serviceRoles",
    ".serviceRolesDtos[].serviceRoles[]",
    ".serviceRolesDtos[].serviceRoles[].name",
    ".customRoles",
    ".customRoles[]",
    ".customRoles[].name",
    ".customGroupsIds",
    ".customGroupsIds[]",
    ".customGroups",
    ".customGroups[]",
    ".customGroups[].id",
    ".customGroups[].displayName",
    ".customGroups[].groupType",
    ".customGroups[].domain",
];

/// Paths that `list` reads beside those of a poll.
const LISTED: [&str; 2] = [".generatedBy", ".invitedByUsername"];

/// Keys that the vendor's reference has and nobody reads where they stand.
const DOCUMENTED: [&str; 22] = [
    "invitationLink",
    "redeemedBy",
    "revokedBy",
    "serviceDefinitionLink",
    "serviceDefinitionId",
    "displayName",
    "resource",
    "membershipType",
    "expiresAt",
    "createdBy",
    "createdDate",
    "lastUpdatedBy",
    "lastUpdatedDate",
    "description",
    "ownerOrgId",
    "sharedOrgIds",
    "usersCount",
    "name",
    "organizationRoles",
    "customRoles",
    "serviceRoles",
    "serviceRoleNames",
];

/// What came back for one organization.
#[derive(Default)]
struct Answer {
    /// `HTTP/1.1`, `HTTP/2.0`.
    version: String,
    status: u16,
    headers: Vec<(String, String)>,
    /// Without its compression.
    body: Vec<u8>,
    first_byte: Duration,
    total: Duration,
}

/// The report of one organization, by its place in the configuration, whose polls count by `criteria`. `failed` says in words that
/// are safe to show why there is no answer.
fn report(place: usize, answer: Result<&Answer, &str>, criteria: &Arc<Criteria>) -> String {
    let mut text = format!("organization {place}\n");
    let answer = match answer {
        Ok(answer) => answer,
        Err(failed) => {
            let _ = writeln!(text, "  no answer: {failed}");
            return text;
        }
    };
    transport(&mut text, answer);
    if !(200..300).contains(&answer.status) {
        return text;
    }
    let poll = polled(&answer.body, criteria);
    if let Err(flaw @ (ListError::ElementTooLong | ListError::TooDeep)) = &poll {
        // To look into it could take as long as whoever made it likes.
        let _ = writeln!(text, "  refuted: a poll can read the answer: {flaw}");
        return text;
    }
    let mut facts = Facts::default();
    let take = |part, path: &str, value: &Json| match part {
        Part::Element => facts.add(path, value),
        Part::Beside => facts.paths.add(path, value),
    };
    match elements::read(&answer.body, take) {
        Ok(root) => {
            content(&mut text, &facts);
            let _ = writeln!(text, "  what this says of the exporter's reading:");
            for verdict in verdicts::all(&poll, &root, &facts) {
                let _ = writeln!(text, "    {verdict}");
            }
        }
        Err(Flaw::NotJson(offset)) => {
            let _ = writeln!(text, "  refuted: the answer is JSON (it is none after about {offset} bytes)");
        }
        Err(Flaw::TooDeep) => {
            let _ = writeln!(text, "  refuted: the answer is a list, or one in a few objects");
        }
    }
    text
}

/// What a poll says of the list. It may name a key that the report masks: the verdicts name it.
fn polled(body: &[u8], criteria: &Arc<Criteria>) -> Result<(), ListError> {
    // Which ages there are is not asked here.
    let mut census = CensusBuilder::new(Arc::clone(criteria), Millis(0));
    let outcome = census.write(body).and_then(|()| census.finish());
    outcome.map(drop).map_err(|flaw| match flaw {
        ListError::Wrapped { .. } => ListError::Wrapped { key: None },
        flaw => flaw,
    })
}

fn transport(text: &mut String, answer: &Answer) {
    let Answer { version, status, headers, body, first_byte, total } = answer;
    let _ = writeln!(text, "  {version}, status {status}");
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let _ = writeln!(text, "  headers: {}", names.join(", "));
    for (name, value) in headers {
        let shown = match name.as_str() {
            "content-type" => media_type(value),
            "content-encoding" => coding(value),
            "content-length" if value.bytes().all(|b| b.is_ascii_digit()) => value.clone(),
            "content-length" => paths::MASKED.to_owned(),
            _ => continue,
        };
        let _ = writeln!(text, "  {name}: {shown}");
    }
    let _ = writeln!(
        text,
        "  {} bytes, the first after {:.2} s, all after {:.2} s",
        body.len(),
        first_byte.as_secs_f64(),
        total.as_secs_f64()
    );
}

/// A media type with its character set; other parameters could be anything.
fn media_type(value: &str) -> String {
    let mut parts = value.split(';').map(str::trim);
    let is_word = |text: &str| {
        (1..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/+.-".contains(&b))
    };
    let mut shown = parts.next().filter(|kind| is_word(kind)).unwrap_or(paths::MASKED).to_owned();
    for part in parts {
        let charset =
            part.split_once('=').filter(|(name, value)| name.eq_ignore_ascii_case("charset") && is_word(value));
        let _ = write!(shown, "; {}", charset.map_or(paths::MASKED, |_| part));
    }
    shown
}

fn coding(value: &str) -> String {
    let known = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity", "compress"];
    let codings = value.split(',').map(str::trim);
    let shown =
        codings.map(|coding| if known.iter().any(|k| coding.eq_ignore_ascii_case(k)) { coding } else { paths::MASKED });
    shown.collect::<Vec<_>>().join(", ")
}

fn content(text: &mut String, facts: &Facts) {
    let _ = writeln!(text, "  {} elements, {} of them objects", facts.elements, facts.objects);
    let _ = writeln!(text, "  paths, with how often they are there and what stands there:");
    for (path, found) in facts.paths.iter() {
        let _ = writeln!(text, "    {path} {found}{}", use_of(path));
    }
    if facts.paths.beyond > 0 {
        let _ = writeln!(text, "    and {} values at other paths", facts.paths.beyond);
    }
    let words: Vec<String> = facts.status_words.iter().map(|(word, count)| format!("{word} {count}")).collect();
    let _ = writeln!(text, "  status words: {}", words.join(", "));
    for ((path, link), count) in &facts.links {
        let _ = writeln!(text, "  {path}: {link} ({count})");
    }
    let known: Vec<String> = facts.known_roles.iter().map(|(role, count)| format!("{role} {count}")).collect();
    let known = if known.is_empty() { "none that may be shown".to_owned() } else { known.join(", ") };
    let _ = writeln!(text, "  roles: {known}");
    let _ = writeln!(text, "  other roles: {} different names", facts.other_roles.len());
}

/// Who reads a path, or whether the vendor documents it, or nobody here knows it.
fn use_of(path: &str) -> &'static str {
    let Some((_, below)) = path.split_once("[]") else { return "  (unknown)" };
    // What an expanded group brings is read for its names, by the same rules as that of the invitation.
    let in_group =
        below.strip_prefix(".customGroups[]").map(|rest| rest.replacen(".serviceRoles", ".serviceRolesDtos", 1));
    let is_role = |rest: &String| READ.contains(&rest.as_str()) && rest.contains("Roles");
    if READ.contains(&below) || in_group.as_ref().is_some_and(is_role) {
        return "  (read)";
    }
    if LISTED.contains(&below) {
        return "  (read by `list`)";
    }
    let key = below.rsplit('.').next().unwrap_or(below).trim_end_matches("[]");
    if DOCUMENTED.contains(&key) { "  (known, not used)" } else { "  (unknown)" }
}
