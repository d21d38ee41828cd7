//! Which web configuration files are good.

use std::path::Path;
use std::sync::Arc;

use exporter_toolkit::document::Problems;
use exporter_toolkit::web::Access;

use crate::pki::Folder;

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const HASH: &str = "$2y$10$2UXri9cIDdgeKjBo4Rlpx.U3ZLDV8X1IxKmsfOvhcM5oXQt/mLmXq";

fn validate(path: &Path) -> Result<Arc<Access>, Problems> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(Access::load(Some(path)))
}

fn problems(config: &str) -> String {
    let folder = Folder::new(config);
    validate(&folder.web_config()).map_or_else(|problems| problems.to_string(), |_| String::new())
}

#[test]
fn files_that_the_toolkit_takes_are_good() {
    let good = [
        String::new(),
        "# nothing\n".to_owned(),
        "tls_server_config:\n".to_owned(),
        TLS.to_owned(),
        format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n"),
        format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n"),
        format!("{TLS}  client_auth_type: RequireClientCert\n"),
        format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"),
        format!("{TLS}  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a.example]\n"),
        format!("{TLS}  min_version: TLS13\n  max_version: TLS13\n"),
        format!("{TLS}  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n"),
        format!(
            "{TLS}  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\nhttp_server_config:\n  http2: false\n"
        ),
        format!("{TLS}  curve_preferences: [CurveP256, CurveP384, X25519, X25519MLKEM768]\n"),
        format!("{TLS}  prefer_server_cipher_suites: false\n  client_ca_file: ''\n"),
        format!("{TLS}basic_auth_users:\n  alice: {HASH}\n  bob: {HASH}\n"),
        format!("basic_auth_users:\n  alice: {HASH}\n"),
        "basic_auth_users: {}\n".to_owned(),
        "rate_limit:\n  interval: \"1s\"\n  burst: 0\n".to_owned(),
        "rate_limit:\n  interval: 0\n  burst: 5\n".to_owned(),
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n    \
         Strict-Transport-Security: max-age=31536000; includeSubDomains\n    X-XSS-Protection: 1\n    \
         Content-Security-Policy: \"default-src 'self' *.test.example.net\"\n"
            .to_owned(),
    ];
    for config in good {
        assert_eq!(problems(&config), "", "{config}");
    }
}

#[test]
fn files_that_the_toolkit_refuses_are_refused() {
    let bad = [
        ("junk".to_owned(), "expected a mapping"),
        ("tls_server_confg:\n  cert_file: x\n".to_owned(), "unknown key; did you mean tls_server_config?"),
        (
            "tls_server_config:\n  cert_file: ''\n  key_file: server.key\n".to_owned(),
            "missing one of cert or cert_file",
        ),
        ("tls_server_config:\n  cert_file: server.crt\n".to_owned(), "missing one of key or key_file"),
        ("tls_server_config:\n  client_auth_type: RequireAnyClientCert\n".to_owned(), "missing one of cert"),
        ("tls_server_config:\n  curve_preferences: [X25519]\n".to_owned(), "missing one of cert"),
        ("tls_server_config:\n  cert_file: x\n  key_file: server.key\n".to_owned(), "x can't be read"),
        ("tls_server_config:\n  cert_file: server.crt\n  key_file: x\n".to_owned(), "x can't be read"),
        (format!("{TLS}  client_ca_file: ca.crt\n"), "without a client_auth_type"),
        (format!("{TLS}  client_ca_file: ca.crt\n  client_auth_type: NoClientCert\n"), "without a client_auth_type"),
        (format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: x\n"), "x can't be read"),
        (
            format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: server.key\n"),
            "no PEM certificate",
        ),
        (format!("{TLS}  client_auth_type: VerifyClientCert\n"), "unknown policy"),
        (format!("{TLS}  client_allowed_sans: [a]\n"), "requires client_auth_type"),
        (
            format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a]\n"),
            "requires client_auth_type",
        ),
        (format!("{TLS}  cipher_suites: [TLS_MADE_UP]\n"), "unknown cipher"),
        (
            format!("{TLS}  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"),
            "is missing a cipher that HTTP/2 requires",
        ),
        (format!("{TLS}  curve_preferences: [CurveP007]\n"), "unknown curve"),
        (format!("{TLS}  min_version: TLS111\n"), "unknown TLS version"),
        (format!("{TLS}  min_version: TLS13\n  max_version: TLS12\n"), "must not be above max_version"),
        (format!("{TLS}  cert_file: server.crt\n"), "duplicate key"),
        ("basic_auth_users:\n  john: doe\n".to_owned(), "is not a bcrypt hash"),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: maybe\n".to_owned(),
            "expected one of deny, sameorigin",
        ),
        ("http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n".to_owned(), "expected one of nosniff"),
        ("http_server_config:\n  headers:\n    Server: x\n".to_owned(), "unknown key"),
        ("rate_limit:\n  interval: soon\n".to_owned(), "expected a duration"),
        ("rate_limit:\n  interval: 1s\n  burst: -1\n".to_owned(), "expected a whole number"),
    ];
    for (config, expected) in bad {
        let problems = problems(&config);
        assert!(problems.contains(expected), "{config}\n{problems}");
    }
}

#[test]
fn what_rustls_does_not_have_is_refused_by_name() {
    for (line, name) in [
        ("min_version: TLS10", "TLS10 is not supported"),
        ("max_version: TLS11", "TLS11 is not supported"),
        ("curve_preferences: [CurveP521]", "CurveP521 is not supported"),
        ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is not supported"),
        ("cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]", "TLS_RSA_WITH_AES_128_GCM_SHA256 is not supported"),
    ] {
        let problems = problems(&format!("{TLS}  {line}\n"));
        assert!(problems.contains(name), "{line}: {problems}");
    }
}

#[test]
fn every_problem_is_named_and_no_value_shown() {
    let config = "tls_server_config:\n  cert_file: server.crt\n  key: hunter2\n  client_auth_type: hunter2\n  \
                  curve_preferences: [hunter2]\nbasic_auth_users:\n  alice: hunter2\nrate_limit: {interval: hunter2}\n\
                  hunter: 3\n";
    let problems = problems(config);
    for part in ["client_auth_type", "curve_preferences[0]", "basic_auth_users.alice", "rate_limit.interval", "hunter:"]
    {
        assert!(problems.contains(part), "{part}: {problems}");
    }
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn a_certificate_and_key_that_do_not_belong_together_are_refused() {
    let folder = Folder::tls(&[]);
    folder.write("server.key", &folder.authority.server().key);
    let problems = validate(&folder.web_config()).unwrap_err().to_string();
    let is_named = problems.contains("tls_server_config.key_file: ") && problems.contains("server.key does not belong");
    assert!(is_named, "{problems}");
}

#[test]
fn what_is_wrong_with_a_certificate_or_a_key_is_said_of_its_file_and_block() {
    let folder = Folder::tls(&["client_ca_file: ca.crt", "client_auth_type: RequireAndVerifyClientCert"]);
    let identity = folder.authority.server();
    let write = |files: [&str; 3]| {
        for (name, text) in ["server.crt", "server.key", "ca.crt"].into_iter().zip(files) {
            folder.write(name, text);
        }
        validate(&folder.web_config()).map_or_else(|problems| problems.to_string(), |_| String::new())
    };
    let (cert, key, ca) = (&identity.cert, &identity.key, &folder.authority.cert);
    assert_eq!(write([cert, key, ca]), "");
    let marked = [cert, key, ca].map(|text| format!("\u{feff}{text}"));
    assert_eq!(write(marked.each_ref().map(String::as_str)), "", "an editor's mark harms nobody");

    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let second = "has a damaged block: certificate number 2 (line";
    let small = include_str!("data/rsa-1024.pkcs8.pem");
    for (files, setting, words) in [
        ([&format!("{cert}{damaged}"), key, ca], "cert_file", second),
        ([cert, key, &format!("{ca}{damaged}{ca}")], "client_ca_file", second),
        ([cert, &small.to_owned(), ca], "key_file", "is an RSA key of 1024 bits: TLS needs 2048 or more"),
        ([cert, &key.replace("PRIVATE", "ENCRYPTED PRIVATE"), ca], "key_file", "is encrypted"),
        ([key, cert, ca], "cert_file", "holds no PEM certificate, but: PRIVATE KEY"),
        ([&"0\u{80}".to_owned(), key, ca], "cert_file", "is binary (DER or PKCS #12)"),
    ] {
        let problems = write(files.map(String::as_str));
        let name = match setting {
            "cert_file" => "server.crt",
            "key_file" => "server.key",
            _ => "ca.crt",
        };
        let said = problems.lines().any(|line| {
            line.starts_with(&format!("tls_server_config.{setting}: ")) && line.contains(&format!("{name} {words}"))
        });
        assert!(said, "{setting}, {words}: {problems}");
    }
}

#[test]
fn all_files_that_can_not_be_read_are_named_at_once() {
    let folder = Folder::new(
        "tls_server_config: {cert_file: a, key_file: b, client_ca_file: c, client_auth_type: VerifyClientCertIfGiven}",
    );
    let problems = validate(&folder.web_config()).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(keys, ["tls_server_config.cert_file", "tls_server_config.key_file", "tls_server_config.client_ca_file"]);
}

#[test]
fn files_that_can_not_be_used_are_named_beside_what_is_wrong_with_the_text() {
    let tls = "client_ca_file: server.key, client_auth_type: VerifyClientCert";
    let text = "tls_server_config: {TLS}\nbasic_auth_users: {alice: hunter2}\nrate_limit: {interval: soon}\n";
    let problems = |files: &str| problems(&text.replace("TLS", &format!("{files}, {tls}")));
    for (files, expected) in [
        ("cert_file: a, key_file: b", &["a can't be read", "b can't be read"][..]),
        (
            "cert_file: server.key, key_file: server.crt",
            &["server.key holds no PEM certificate", "server.crt holds no PEM private key"],
        ),
        ("cert_file: a", &["a can't be read", "missing one of key or key_file"]),
        ("key: hunter2", &["key: holds no PEM private key", "missing one of cert or cert_file"]),
    ] {
        let problems = problems(files);
        let always = ["unknown policy", "users.alice: is not a bcrypt hash", "rate_limit.interval", "client_ca_file: "];
        for part in always.iter().chain(expected) {
            assert!(problems.contains(part), "{files}: {part}: {problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}
