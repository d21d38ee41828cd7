//! The three kinds of roles.

/// Where a role comes from, as the label `role_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleKind {
    /// A role in the organization.
    Organization,
    /// A role in one of its services.
    Service,
    /// A role that the organization defined itself.
    Custom,
}

impl RoleKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Organization, Self::Service, Self::Custom];

    /// The value of the label `role_kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Service => "service",
            Self::Custom => "custom",
        }
    }
}
