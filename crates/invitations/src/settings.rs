//! What of a list is shown by name, and what counts as privileged or external.

use regex::Regex;

/// Distinct values of each kind that keep their name.
const LIMIT: usize = 200;

/// How lists are turned into families.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Distinct roles per organization and `role_kind`.
    pub max_roles: usize,
    /// Distinct groups per organization.
    pub max_groups: usize,
    /// Distinct role-and-group pairs per organization.
    pub max_pairs: usize,
    /// Which roles keep their name.
    pub roles: Filter,
    /// Which groups keep their name.
    pub groups: Filter,
    /// Whether role-and-group pairs are exported.
    pub joint: bool,
    /// Names of roles that count as privileged.
    pub privileged_roles: Vec<String>,
    /// Trusted mail domains, lower case; `None` leaves the external families out.
    pub trusted_domains: Option<Vec<String>>,
}

/// Anchored regular expressions: a value passes when one of `allow` and none of `deny` matches it whole.
#[derive(Debug, Clone)]
pub struct Filter {
    /// At least one must match.
    pub allow: Vec<Regex>,
    /// None may match.
    pub deny: Vec<Regex>,
}

impl Filter {
    /// `pattern` as an expression that matches whole values only; `None` when it is none, or one that is too large.
    #[must_use]
    pub fn anchored(pattern: &str) -> Option<Regex> {
        // On its own first: `a)(b` is no expression, although it would become one inside of the group.
        Regex::new(pattern).ok()?;
        // As Prometheus anchors its own: a dot matches line feeds too, so that `.*` is really everything.
        Regex::new(&format!("^(?s:{pattern})$")).ok()
    }

    /// Whether `value` keeps its name.
    #[must_use]
    pub fn allows(&self, value: &str) -> bool {
        self.allow.iter().any(|r| r.is_match(value)) && !self.deny.iter().any(|r| r.is_match(value))
    }
}

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
        Self { allow: Self::anchored(".*").into_iter().collect(), deny: Vec::new() }
    }
}
