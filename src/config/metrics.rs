//! `metrics`: how lists are turned into families.

use exporter_toolkit::document::{Fields, Node, Wrong, boolean, count, text};

use super::{Filter, Metrics};

pub(super) fn read(mut fields: Fields<'_, '_>) -> Metrics {
    let default = Metrics::default();
    let metrics = Metrics {
        max_roles: fields.or("max_roles", default.max_roles, count),
        max_groups: fields.or("max_groups", default.max_groups, count),
        max_pairs: fields.or("max_pairs", default.max_pairs, count),
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
        Filter::anchored(&text(node)?).ok_or_else(|| Wrong::from("not a regular expression, or one that is too large"))
    };
    let filter = Filter {
        allow: fields.list("allow", regex).unwrap_or_else(|| Filter::default().allow),
        deny: fields.list("deny", regex).unwrap_or_default(),
    };
    fields.finish();
    filter
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
