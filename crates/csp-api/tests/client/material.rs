//! The files of `api.tls`, and what is wrong with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use csp_api::{BuildError, Client, NoObserver, Tls};
use rcgen::KeyPair;
use tempfile::TempDir;

use crate::fake::api;
use crate::pki::Pki;

struct Files {
    folder: TempDir,
    authority: String,
    certificate: String,
    key: String,
}

impl Files {
    fn new() -> Self {
        let pki = Pki::new();
        let (certificate, key) = pki.issue(|_| ());
        let authority = std::fs::read_to_string(pki.path("ca.pem")).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            authority,
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Files are read beside the runtime, so building a client waits.
fn waited_for<T>(outcome: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(outcome)
}

fn build(tls: Tls) -> Result<Client, BuildError> {
    let mut settings = api("https://localhost");
    settings.tls = tls;
    waited_for(Client::new(&settings, Arc::new(NoObserver)))
}

fn authorities(path: &Path) -> Result<Client, BuildError> {
    build(Tls { ca_file: Some(path.to_owned()), ca_only: true, ..Tls::default() })
}

fn identity(certificate: &Path, key: &Path) -> Result<Client, BuildError> {
    build(Tls { cert_file: Some(certificate.to_owned()), key_file: Some(key.to_owned()), ..Tls::default() })
}

/// That a build fails with words that name this setting and its file, and these.
fn fails(outcome: Result<Client, BuildError>, setting: &str, file: &str, words: &str) {
    let shown = outcome.map(drop).unwrap_err().to_string();
    assert!(shown.starts_with(&format!("api.tls.{setting}: ")) && shown.contains(file), "{shown}");
    assert!(shown.contains(words), "{words}: {shown}");
}

#[test]
fn a_bundle_is_read_with_a_byte_order_mark_comments_and_any_line_ends() {
    let files = Files::new();
    let Files { authority, certificate, .. } = &files;
    for text in [
        format!("\u{feff}{authority}"),
        format!("\u{feff}# two\r\n{}{certificate}", authority.replace('\n', "\r\n")),
        format!("subject: CN=a\n{authority}\n\nsubject: CN=b\n{certificate}"),
        authority.trim_end().to_owned(),
    ] {
        authorities(&files.write("ca.pem", text)).unwrap();
    }
    let certificate = files.write("cert.pem", format!("\u{feff}{certificate}"));
    identity(&certificate, &files.write("key.pem", format!("\u{feff}{}", files.key))).unwrap();
}

#[test]
fn one_bad_block_of_a_bundle_is_named_with_its_number_and_line() {
    let files = Files::new();
    let good = &files.authority;
    let lines = good.lines().count();
    let second = format!("certificate number 2 (line {})", lines + 1);
    for bad in [
        // Neither Base64, nor a certificate inside, nor an end.
        good.replacen("MI", "?!", 1),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        good.lines().take(lines - 2).flat_map(|line| [line, "\n"]).collect(),
    ] {
        let bundle = files.write("bundle.pem", format!("{good}{bad}{good}"));
        fails(authorities(&bundle), "ca_file", "bundle.pem", &second);
    }
    let chain = files.write(
        "chain.pem",
        format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", files.certificate),
    );
    fails(identity(&chain, &files.write("key.pem", &files.key)), "cert_file", "chain.pem", "certificate number 2");
}

#[test]
fn what_a_file_holds_instead_is_said() {
    let files = Files::new();
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(files.authority.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let indented: String = files.authority.lines().flat_map(|line| ["  ", line, "\n"]).collect();
    for (content, words) in [
        (b"junk".to_vec(), "holds no PEM certificate"),
        (files.key.clone().into_bytes(), "holds no PEM certificate, but: PRIVATE KEY"),
        (files.authority.replace("CERTIFICATE", "TRUSTED CERTIFICATE").into_bytes(), "but: TRUSTED CERTIFICATE"),
        (vec![0x30, 0x82, 1, 2, 3], "is binary (DER or PKCS #12)"),
        (utf16, "UTF-16"),
        (indented.into_bytes(), "beginning of a line"),
    ] {
        fails(authorities(&files.write("ca.pem", content)), "ca_file", "ca.pem", words);
    }
    fails(authorities(&files.folder.path().join("missing.pem")), "ca_file", "missing.pem", "cannot read");
    fails(authorities(files.folder.path()), "ca_file", "", "cannot read");
}

#[test]
fn a_key_that_does_not_do_is_told_why() {
    let files = Files::new();
    let certificate = files.write("cert.pem", &files.certificate);
    let other = KeyPair::generate().unwrap().serialize_pem();
    let small = "is an RSA key of 1024 bits: TLS needs 2048 or more";
    for (key, words) in [
        ("junk", "holds no PEM private key"),
        (&files.certificate, "holds no PEM private key, but: CERTIFICATE"),
        (include_str!("data/rsa-1024.pkcs1.pem"), small),
        (include_str!("data/rsa-1024.pkcs8.pem"), small),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "is encrypted"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "is encrypted",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
        ("-----BEGIN PRIVATE KEY-----\nA?\n-----END PRIVATE KEY-----\n", "has a damaged private key (line 1)"),
        (&other, "is not the key of the first certificate in"),
    ] {
        fails(identity(&certificate, &files.write("key.pem", key)), "key_file", "key.pem", words);
    }
    let both = identity(&files.write("a.pem", "junk"), &files.folder.path().join("b.pem"));
    fails(both, "cert_file", "a.pem", "holds no PEM certificate");
    let mut settings = api("https://localhost");
    settings.tls.cert_file = Some(files.folder.path().join("a.pem"));
    settings.tls.key_file = Some(files.folder.path().join("b.pem"));
    settings.tls.ca_only = true;
    settings.proxy_url = Some("a b".into());
    let problems: Vec<String> = waited_for(Client::problems(&settings)).iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "all of them: {problems:?}");
}
