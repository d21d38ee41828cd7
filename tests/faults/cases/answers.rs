//! Answers whose status or body is not what was promised.

use super::{Cases, JSON, LISTED, PAGE, Promise, SECOND, Site, gzip, list, packed, with};
use crate::script::{Step, announced, body, endless, head, json, whole};

pub(super) fn statuses(cases: &mut Cases) {
    for (status, reason) in [
        (300, &["unexpected_status"]),
        (301, &["unexpected_status"]),
        (302, &["unexpected_status"]),
        (304, &["unexpected_status"]),
        (307, &["unexpected_status"]),
        (308, &["unexpected_status"]),
        (400, &["bad_request"]),
        (401, &["unauthorized"]),
        (403, &["forbidden"]),
        (404, &["not_found"]),
        (405, &["unexpected_status"]),
        (418, &["unexpected_status"]),
        (429, &["rate_limited"]),
        (500, &["server_error"]),
        (502, &["server_error"]),
        (503, &["server_error"]),
        (504, &["server_error"]),
        (599, &["server_error"]),
        (999, &["unexpected_status"]),
    ] {
        let location: &[_] = if status < 400 { &[("location", "https://elsewhere.test/")] } else { &[] };
        cases.list(&format!("status {status}"), reason, whole(status, location, "{}"));
    }
    for wait in ["0", "2", "soon", "-1", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        cases.list(
            &format!("429 with Retry-After: {wait}"),
            &["rate_limited"],
            whole(429, &[("retry-after", wait)], "{}"),
        );
        cases.list(
            &format!("503 with Retry-After: {wait}"),
            &["server_error"],
            whole(503, &[("retry-after", wait)], "{}"),
        );
    }
    cases.list("429 with a page", &["rate_limited"], whole(429, &[("content-type", "text/html")], PAGE));
    cases.list("502 with a page", &["server_error"], whole(502, &[("content-type", "text/html")], PAGE));
    cases.list("403 with 10 MB of text", &["forbidden"], whole(403, JSON, vec![b'x'; 10 << 20]));
    cases.list("403 whose body never comes", &["forbidden"], vec![announced(403, JSON, 100), Step::Hang]);
    cases.list(
        "403 whose body comes a byte a second",
        &["forbidden"],
        vec![announced(403, JSON, 100), Step::Body("x".into(), 100, SECOND)],
    );
    cases.list("403 whose body is cut", &["forbidden"], vec![announced(403, JSON, 100), body("{"), Step::Cut]);
    cases.list(
        "500 whose body is no gzip",
        &["server_error"],
        whole(500, &[("content-encoding", "gzip")], "not packed"),
    );
    cases.list("503 whose body is packed as nobody asked", &["server_error"], {
        whole(503, &[("content-encoding", "br")], "x")
    });
    cases.add("one 500", Site::FirstList(whole(500, &[], "{}")), Promise::Counts(LISTED));
    cases.add("one 401", Site::FirstList(whole(401, &[], "{}")), Promise::Counts(LISTED));
    cases.add(
        "one cut body",
        Site::FirstList(vec![announced(200, JSON, 1000), body("["), Step::Cut]),
        Promise::Counts(LISTED),
    );
    cases.add("one reset", Site::FirstList(vec![Step::Reset]), Promise::Counts(LISTED));
    cases.add(
        "names of organizations and ends of tokens never answered",
        Site::Questions(vec![Step::Hang]),
        Promise::Counts(LISTED),
    );
    cases.add(
        "names of organizations and ends of tokens refused",
        Site::Questions(whole(403, &[], "{}")),
        Promise::Counts(LISTED),
    );
}

pub(super) fn bodies(cases: &mut Cases) {
    let good = list(LISTED);
    let decode: &[&str] = &["decode"];
    let too_large: &[&str] = &["too_large"];
    cases.list("an empty body", decode, whole(200, JSON, ""));
    cases.list("no body (204)", decode, vec![head(204, &[]), Step::End]);
    cases.list("a page", decode, whole(200, &[("content-type", "text/html")], PAGE));
    cases.list("a page that says it is JSON", decode, json(PAGE));
    cases.list("null", decode, json("null"));
    cases.list("an object", decode, json(format!(r#"{{"results":{good}}}"#)));
    cases.list("an error with status 200", decode, json(r#"{"cspErrorCode":"x","statusCode":500}"#));
    cases.list("a list that ends early", decode, json(good[..good.len() / 2].to_owned()));
    cases.list("two lists", decode, json(format!("{good}{good}")));
    cases.list("a comma too many", decode, json("[{},]"));
    cases.list(
        "chance",
        decode,
        json((0..20_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect::<Vec<_>>()),
    );
    cases.list("a NUL between elements", decode, json("[{},\0{}]"));
    cases.list("a NUL in a text", decode, json("[{\"username\":\"a\0b\"}]"));
    cases.list("invalid UTF-8", decode, json(b"[{\"username\":\"\xff\xfe\"}]".to_vec()));
    cases.list("UTF-16", decode, json(good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()));
    cases.list("100,000 brackets that nobody closes", too_large, json("[".repeat(100_000)));
    cases.list("brackets without end", too_large, vec![head(200, JSON), endless("[".repeat(1 << 14))]);
    cases.list(
        "a number without end",
        too_large,
        vec![head(200, JSON), body("[{\"generatedAt\":"), endless("9".repeat(1 << 14))],
    );
    cases.list(
        "a text without end",
        too_large,
        vec![head(200, JSON), body("[{\"username\":\""), endless("a".repeat(1 << 14))],
    );
    cases.list(
        "an escape without end",
        too_large,
        vec![head(200, JSON), body("[{\"username\":\""), endless("\\\\".repeat(1 << 13))],
    );
    cases.list("blanks without end", too_large, vec![head(200, JSON), body("["), endless(" ".repeat(1 << 14))]);
    cases.list(
        "a list without end",
        too_large,
        vec![head(200, JSON), body("[{}"), endless(",{\"status\":\"REDEEMED\"}".repeat(1 << 10))],
    );
    cases.list(
        "an object without end",
        &["decode", "too_large"],
        vec![head(200, JSON), body("{\"a\":1"), endless(",\"b\":1".repeat(1 << 12))],
    );
    cases.list("an element of 2 MiB", too_large, json(format!("[{{\"username\":\"{}\"}}]", "a".repeat(2 << 20))));
    cases.list(
        "a length that is announced as 1 GiB",
        too_large,
        vec![announced(200, JSON, 1 << 30), body("["), Step::Hang],
    );

    cases.odd("a byte order mark", LISTED, json(format!("\u{feff}{good}")));
    cases.odd(
        "nesting of 1,000 in a field",
        LISTED,
        json(with(&format!("\"x\":{}{}", "[".repeat(1_000), "]".repeat(1_000)))),
    );
    cases.list(
        "nesting of 10,000 in a field",
        too_large,
        json(with(&format!("\"x\":{}{}", "[".repeat(10_000), "]".repeat(10_000)))),
    );
    cases.odd("elements that are no objects", LISTED, json("[null,1,\"a\",[[[[]]]],true,false,{},{},{},{},{},-1e999]"));
    cases.odd(
        "huge numbers",
        LISTED,
        json(with(&format!(
            "\"generatedAt\":1{},\"redeemedAt\":-1e99999999,\"revokedAt\":9223372036854775808",
            "0".repeat(5000)
        ))),
    );
    cases.odd("keys twice", LISTED, json(with("\"status\":\"REVOKED\",\"username\":5,\"username\":\"b\"")));
    cases.odd("lone surrogates and escaped NULs", LISTED, json(with("\"orgRoleNames\":[\"\\ud800\\u0000\"]")));
    cases.odd(
        "wrong types everywhere",
        LISTED,
        json(with(
            "\"generatedAt\":[],\"orgRoleNames\":7,\"customGroups\":[[],7,{\"id\":[]}],\"serviceRolesDtos\":{\"a\":1}",
        )),
    );
    cases.odd("an empty list", 0, json(" [ ] "));
}

pub(super) fn packing(cases: &mut Cases) {
    let good = list(LISTED).into_bytes();
    let decode: &[&str] = &["decode"];
    cases.odd(
        "gzip by its old name, in capitals, in two members",
        LISTED,
        packed("X-GZIP", [gzip(&good[..99]), gzip(&good[99..])].concat()),
    );
    let blanks = gzip(&[b"[", " ".repeat(300 << 20).as_bytes()].concat());
    cases.list("a gzip bomb of blanks", &["too_large"], packed("gzip", blanks));
    let long = gzip(&[b"[\"", "a".repeat(300 << 20).as_bytes()].concat());
    cases.list("a gzip bomb in one element", &["too_large"], packed("gzip", long));
    cases.list("no gzip, though it says so", decode, packed("gzip", good.clone()));
    let mut broken = gzip(&good);
    let sum = broken.len() - 6;
    broken[sum] ^= 1;
    cases.list("gzip with a wrong checksum", decode, packed("gzip", broken));
    cases.list("gzip that is cut", &["body"], packed("gzip", gzip(&good)[..60].to_vec()));
    cases.list("gzip in gzip", decode, packed("gzip, gzip", gzip(&gzip(&good))));
    cases.list("brotli", decode, packed("br", good.clone()));
    cases.list("an unknown packing", decode, packed("a\u{1}b".replace('\u{1}', "?").as_str(), good));
}
