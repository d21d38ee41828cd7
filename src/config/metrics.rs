//! `metrics`: how lists are turned into families.

use regex::Regex;

use super::document::{Fields, Node, Wrong, boolean, count, text};
use super::{Filter, Metrics};

/// Distinct values of each kind that keep their name.
const LIMIT: usize = 200;

impl Default for Metrics {
    fn default() -> Self {
        Self {
            max_roles: LIMIT,
            max_groups: LIMIT,
            max_pairs: LIMIT,
            roles: Filter::default(),
            groups: Filter::default(),
            joint: true,
            privileged_roles: vec!["org_owner".to_owned(), "org_admin".to_owned()],
            trusted_domains: None,
        }
    }
}

/// Everything passes.
impl Default for Filter {
    fn default() -> Self {
        Self { allow: anchored(".*").into_iter().collect(), deny: Vec::new() }
    }
}

pub(super) fn read(mut fields: Fields<'_, '_>) -> Metrics {
    let default = Metrics::default();
    let metrics = Metrics {
        max_roles: fields.or("max_roles", LIMIT, count),
        max_groups: fields.or("max_groups", LIMIT, count),
        max_pairs: fields.or("max_pairs", LIMIT, count),
        roles: filter(fields.section("roles")),
        groups: filter(fields.section("groups")),
        joint: fields.or("joint", true, boolean),
        privileged_roles: fields.list("privileged_roles", text).unwrap_or(default.privileged_roles),
        trusted_domains: fields.list("trusted_domains", domain),
    };
    fields.finish();
    metrics
}

fn filter(mut fields: Fields<'_, '_>) -> Filter {
    let regex = |node: &Node| {
        // The engine's own message repeats the pattern.
        anchored(&text(node)?).ok_or_else(|| Wrong::from("not a regular expression, or one that is too large"))
    };
    let filter = Filter {
        allow: fields.list("allow", regex).unwrap_or_else(|| Filter::default().allow),
        deny: fields.list("deny", regex).unwrap_or_default(),
    };
    fields.finish();
    filter
}

/// `pattern` as an expression that matches whole values only.
fn anchored(pattern: &str) -> Option<Regex> {
    // On its own first: `a)(b` is no expression, although it would become one inside of the group.
    Regex::new(pattern).ok()?;
    // As Prometheus anchors its own: a dot matches line feeds too, so that `.*` is really everything.
    Regex::new(&format!("^(?s:{pattern})$")).ok()
}

/// `example.com` or `*.example.com`, in lower case.
fn domain(node: &Node) -> Result<String, Wrong> {
    let domain = text(node)?.trim().to_lowercase();
    let name = domain.strip_prefix("*.").unwrap_or(&domain);
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    if name.split('.').all(label) {
        Ok(domain)
    } else {
        Err("expected a domain such as example.com or *.example.com".into())
    }
}
