//! An upstream whose answers are full of marks, good ones and bad ones.

use super::mark::MARK;
use crate::fake::{Answer, Request, json, response};

/// How many organizations with a scenario of their own there are.
pub(super) const SCENARIOS: usize = 12;

fn invitations(n: usize) -> String {
    let person = |what: &str| format!("{MARK}-{what}-{n}@example.com");
    let invitation = serde_json::json!({
        "username": person("user"),
        "status": (["AVAILABLE", "REDEEMED", "REVOKED"][n % 3]),
        "generatedAt": 1_700_000_000_000_i64,
        "generatedBy": person("by"),
        "invitedByUsername": person("inviter"),
        "redeemedBy": person("redeemer"),
        "revokedBy": format!("{MARK}-client-{n}"),
        "refLink": format!("/csp/gateway/am/api/orgs/o/invitations/{MARK}-ref-{n}"),
        "invitationLink": format!("https://console/join?{MARK}-link-{n}"),
        "orgRoleNames": ["org_member"],
        "organizationRoles": [{ "name": "org_owner", "createdBy": person("creator"), "lastUpdatedBy": person("updater") }],
        "customGroups": [{ "id": "g", "displayName": "Group", "description": person("description") }],
    });
    format!("[{invitation}]")
}

/// What an organization's list is; one scenario for each.
fn list(organization: usize, n: usize) -> Answer {
    let good = invitations(n);
    let refusal = |status| {
        let body = format!(
            r#"{{"cspErrorCode":"{MARK} code with blanks","message":"{MARK}-message","moduleCode":540,"requestId":"r"}}"#
        );
        Answer::Keep(response(
            status,
            &format!("content-type: application/json\r\ncsp-request-id: {MARK} id\r\n"),
            &body,
        ))
    };
    match organization {
        1 | 50.. => json(200, &good),
        2 => refusal(401),
        3 => refusal(403),
        4 => refusal(500),
        5 => Answer::Keep(response(200, "content-type: text/html\r\n", &format!("<html>{MARK}</html>"))),
        6 => json(200, &good[..good.len() - 20]),
        7 => Answer::Close(response(200, "", &good)[..200].to_vec()),
        8 => Answer::Keep(response(302, &format!("location: https://x/?{MARK}\r\n"), MARK)),
        9 => json(200, &format!(r#"[{{"status":["{MARK}"],"username":7}},"{MARK}"]"#)),
        10 => Answer::Close(format!("{MARK} no http at all\r\n\r\n").into_bytes()),
        11 => Answer::Keep(response(429, "retry-after: kanari\r\n", MARK)),
        _ => json(200, &format!(r#"{{"{MARK}":"{MARK}"}}"#)),
    }
}

/// Exchanges of `app` go well; those of `refused` are answered with what was sent, as the service does it.
pub(super) fn upstream(request: &Request, n: usize) -> Answer {
    let echo = |status| {
        let body = serde_json::json!({
            "cspErrorCode": "csp.token", "moduleCode": "540",
            "message": format!("invalid token: {}{:?}", request.body, request.headers.get("authorization")),
        });
        json(status, &body.to_string())
    };
    let granted =
        || json(200, &format!(r#"{{"access_token":"{MARK}-access-{n}","refresh_token":"{MARK}","expires_in":4}}"#));
    match (&request.path, request.organization()) {
        (path, _) if path.ends_with("/details") => echo([404, 200][n % 2]),
        (path, _) if path.ends_with("/api-tokens/authorize") => {
            if request.body.contains("refused") {
                echo([400, 404, 200][n % 3])
            } else {
                granted()
            }
        }
        (path, None) if path.ends_with("/auth/token") => {
            if n % 5 == 4 {
                echo(500)
            } else {
                granted()
            }
        }
        (path, Some(organization)) if path.ends_with("/invitations") => list(organization, n),
        (_, Some(3)) => echo(403),
        _ => json(200, &format!(r#"{{"displayName":"A Name","refLink":"{MARK}"}}"#)),
    }
}
