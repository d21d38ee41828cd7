//! Made-up names, and role names in the mixed forms that the real service shows.

/// Companies that own the simulated organizations.
pub(super) const COMPANIES: [&str; 16] = [
    "Acme",
    "Globex",
    "Initech",
    "Umbrella",
    "Hooli",
    "Vandelay",
    "Stark",
    "Wonka",
    "Cyberdyne",
    "Soylent",
    "Tyrell",
    "Wayne",
    "Massive Dynamic",
    "Oscorp",
    "Bluth",
    "Dunder",
];
/// What an organization is for.
pub(super) const PURPOSES: [&str; 5] = ["Production", "Staging", "Engineering", "Partners", "Sandbox"];

/// Given names of invitees.
pub(super) const GIVEN: [&str; 32] = [
    "ada", "alan", "amara", "anders", "ben", "carla", "chen", "dana", "elif", "emil", "fatima", "farid", "grace",
    "hugo", "ines", "ivan", "jun", "kai", "lena", "luis", "mara", "mei", "nadia", "noor", "olga", "pavel", "priya",
    "ravi", "sofia", "tomas", "uma", "yuki",
];
/// Family names of invitees.
pub(super) const FAMILY: [&str; 32] = [
    "abe", "ahmed", "baker", "berg", "costa", "cruz", "diaz", "dubois", "eriksen", "fischer", "garcia", "haas",
    "ibrahim", "ito", "jansen", "khan", "kim", "lopez", "meyer", "moreau", "novak", "okafor", "patel", "quinn",
    "rossi", "silva", "sato", "tanaka", "ueda", "varga", "weber", "zhang",
];
/// Mail domains of the owners of the organizations.
pub(super) const OWN_DOMAINS: [&str; 5] = ["example.com", "example.com", "example.com", "example.com", "example.org"];
/// Mail domains of contractors and of private mailboxes.
pub(super) const FOREIGN_DOMAINS: [&str; 4] =
    ["contractor.example", "gmail.example", "consulting.example", "outlook.example"];

/// Organization roles with their display names; the first two are privileged.
pub(super) const ORGANIZATION_ROLES: [(&str, &str); 8] = [
    ("org_owner", "Organization Owner"),
    ("org_admin", "Organization Administrator"),
    ("org_member", "Organization Member"),
    ("developer", "Developer"),
    ("support_user", "Support User"),
    ("software_installer", "Software Installer"),
    ("platform_operator", "Platform Operator"),
    ("access_log_auditor", "Access Log Auditor"),
];
/// How many of [`ORGANIZATION_ROLES`] are privileged.
pub(super) const PRIVILEGED: usize = 2;
/// The place of the role that nearly everybody has in [`ORGANIZATION_ROLES`].
pub(super) const MEMBER: usize = 2;

/// A service, with the link of its definition and its roles.
pub(super) struct ServiceRoles {
    /// `serviceDefinitionLink`.
    pub(super) link: &'static str,
    /// Mixed case with a prefix.
    pub(super) roles: &'static [&'static str],
}

/// Services that the organizations use.
pub(super) const SERVICES: [ServiceRoles; 5] = [
    ServiceRoles {
        link: "/csp/gateway/slc/api/definitions/external/aQ7dK2mXv-Simulated0Cloud_A1",
        roles: &["vmc-user:full", "vmc-user:read", "nsx:cloud_admin", "nsx:cloud_auditor"],
    },
    ServiceRoles {
        link: "/csp/gateway/slc/api/definitions/external/bR8eL3nYw-Simulated0Autom_B2",
        roles: &["automationservice:user", "automationservice:cloud_admin"],
    },
    ServiceRoles {
        link: "/csp/gateway/slc/api/definitions/external/cS9fM4oZx-Simulated0Pipel_C3",
        roles: &["CodeStream:administrator", "CodeStream:developer", "CodeStream:viewer", "CodeStream:user"],
    },
    ServiceRoles {
        link: "/csp/gateway/slc/api/definitions/paid/3c7f9c1e-58a5-4d0b-9c26-0d0b7f3f5a11",
        roles: &["log_intelligence:admin", "log_intelligence:user"],
    },
    ServiceRoles {
        link: "/csp/gateway/slc/api/definitions/paid/9a2e4d67-1b3c-47f8-8e05-6f2d9c8b7a40",
        roles: &["tanzu:PlatformEngineer", "tanzu:appDeveloper", "tanzu:viewer"],
    },
];

/// Roles that organizations defined themselves.
pub(super) const CUSTOM_ROLES: [&str; 6] =
    ["Billing Reader", "cost-analyst", "IncidentCommander", "release_manager", "Read Only (EMEA)", "backup-operator"];

/// Display names of groups.
pub(super) const GROUPS: [&str; 24] = [
    "Platform Engineering",
    "Developers",
    "Operations",
    "Security",
    "Contractors",
    "Data Science",
    "Finance",
    "Support EMEA",
    "Support APJ",
    "Support AMER",
    "Site Reliability",
    "Network Team",
    "Storage Team",
    "Auditors",
    "Partners",
    "Release Managers",
    "QA",
    "Mobile",
    "Web Frontend",
    "Identity",
    "Interns",
    "Procurement",
    "Architecture",
    "Break Glass",
];
/// `groupType` of groups, the usual one most often.
pub(super) const GROUP_TYPES: [&str; 6] =
    ["USER_GROUP", "USER_GROUP", "USER_GROUP", "AD_GROUP", "DOMAIN_GROUP", "SHARED_GROUP"];
/// `membershipType` of role bindings, the usual one most often.
pub(super) const MEMBERSHIPS: [&str; 4] = ["DIRECT", "DIRECT", "GROUP", "NESTED"];
