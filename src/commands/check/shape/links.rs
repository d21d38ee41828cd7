//! Links of the service, with everything masked that is not the API's own vocabulary.

/// Words that the service's paths consist of, from its reference and from public clients.
const VOCABULARY: [&str; 22] = [
    "am",
    "api",
    "auth",
    "commerce",
    "csp",
    "customers",
    "definitions",
    "external",
    "gateway",
    "groups",
    "invitations",
    "loggedin",
    "oauth-apps",
    "orgs",
    "paid",
    "portal",
    "roles",
    "service",
    "services",
    "slc",
    "user",
    "users",
];

/// `/csp/gateway/am/api/orgs/<guid>/invitations/<guid>`: what a link looks like, whoever it is of.
pub(super) fn masked(link: &str) -> String {
    let (path, rest) = match link.find(['?', '#']) {
        Some(at) => (&link[..at], "?<masked>"),
        None => (link, ""),
    };
    let segments: Vec<String> = path.split('/').map(segment).collect();
    format!("{}{rest}", segments.join("/"))
}

fn segment(segment: &str) -> String {
    let is_version = segment.strip_prefix('v').is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    if segment.is_empty() || VOCABULARY.contains(&segment) || is_version {
        return segment.to_owned();
    }
    match segment {
        "http:" | "https:" => segment.to_owned(),
        _ if is_guid(segment) => "<guid>".to_owned(),
        _ if segment.bytes().all(|b| b.is_ascii_digit()) => "<number>".to_owned(),
        _ if segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => {
            format!("<token of {} characters>", segment.len())
        }
        _ => "<masked>".to_owned(),
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tokens_and_foreign_words_are_masked() {
        for (link, shown) in [
            (
                "/csp/gateway/am/api/orgs/0b0a4a0e-1111-4222-8333-444455556666/invitations/0B0A4A0E-1111-4222-8333-444455556666",
                "/csp/gateway/am/api/orgs/<guid>/invitations/<guid>",
            ),
            (
                "/csp/gateway/slc/api/v2/definitions/external/rkPCw8rYb1qnKe3jZ8hXxVnRbdk_",
                "/csp/gateway/slc/api/v2/definitions/external/<token of 28 characters>",
            ),
            ("/orgs/acme/users/ann@example.com?token=x", "/orgs/<token of 4 characters>/users/<masked>?<masked>"),
            ("https://acme.example/orgs/17", "https://<masked>/orgs/<number>"),
            ("", ""),
        ] {
            assert_eq!(masked(link), shown);
        }
    }
}
