//! Go's names of TLS versions, cipher suites and curves, and what rustls has of them.

use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite as suites, kx_group as groups};

use super::ClientAuth;
use crate::document::{Node, Value, Wrong};

/// The text of a scalar; empty for nothing.
pub(super) fn word(node: &Node) -> Result<&str, Wrong> {
    match &node.value {
        Value::Scalar { text, .. } => Ok(text),
        Value::Null => Ok(""),
        _ => Err(Wrong::expected("text", node)),
    }
}

/// A TLS version, comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

pub(super) fn version(node: &Node) -> Result<Version, Wrong> {
    match word(node)? {
        "TLS12" => Ok(Version::Tls12),
        "TLS13" => Ok(Version::Tls13),
        "TLS10" => Err("TLS10 is not supported: it is obsolete; use TLS12 or TLS13".into()),
        "TLS11" => Err("TLS11 is not supported: it is obsolete; use TLS12 or TLS13".into()),
        _ => Err("unknown TLS version; known are TLS12 and TLS13".into()),
    }
}

const TLS12: [(&str, SupportedCipherSuite); 8] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    // Go's older names of the two above.
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Suites of TLS 1.3: accepted as Go accepts them, without effect.
const TLS13: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// Suites that Go knows and rustls leaves out, and why.
const REFUSED: [(&str, &str); 14] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", CBC),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", CBC),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", CBC),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", CBC),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", CBC),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", CBC),
    ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", CBC),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", RSA),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", RSA),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", RSA),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", RSA),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", RSA),
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", RSA),
    ("TLS_RSA_WITH_RC4_128_SHA", RSA),
];

const CBC: &str = "CBC suites are open to padding oracles";
const RSA: &str = "RSA key exchange has no forward secrecy";

/// A TLS 1.2 suite; `None` for a known one of TLS 1.3, which is always on.
pub(super) fn cipher_suite(node: &Node) -> Result<Option<SupportedCipherSuite>, Wrong> {
    let name = word(node)?;
    if let Some((_, suite)) = TLS12.into_iter().find(|(known, _)| *known == name) {
        return Ok(Some(suite));
    }
    if TLS13.contains(&name) {
        return Ok(None);
    }
    if let Some((known, why)) = REFUSED.into_iter().find(|(known, _)| *known == name) {
        return Err(format!("{known} is not supported: {why}").into());
    }
    let known: Vec<_> = TLS12[..6].iter().map(|(name, _)| *name).collect();
    Err(format!("unknown cipher; known are {}", known.join(", ")).into())
}

pub(super) fn curve(node: &Node) -> Result<&'static dyn SupportedKxGroup, Wrong> {
    match word(node)? {
        "CurveP256" => Ok(groups::SECP256R1),
        "CurveP384" => Ok(groups::SECP384R1),
        "X25519" => Ok(groups::X25519),
        "X25519MLKEM768" => Ok(groups::X25519MLKEM768),
        "CurveP521" => Err("CurveP521 is not supported; use CurveP384".into()),
        _ => Err("unknown curve; known are CurveP256, CurveP384, X25519 and X25519MLKEM768".into()),
    }
}

pub(super) fn client_auth(node: &Node) -> Result<ClientAuth, Wrong> {
    match word(node)? {
        "" | "NoClientCert" => Ok(ClientAuth::None),
        "RequestClientCert" => Ok(ClientAuth::Request),
        // The shorter name is the toolkit's own, kept there for old files.
        "RequireAnyClientCert" | "RequireClientCert" => Ok(ClientAuth::RequireAny),
        "VerifyClientCertIfGiven" => Ok(ClientAuth::VerifyIfGiven),
        "RequireAndVerifyClientCert" => Ok(ClientAuth::RequireAndVerify),
        _ => Err("unknown policy; known are NoClientCert, RequestClientCert, RequireAnyClientCert, \
             VerifyClientCertIfGiven and RequireAndVerifyClientCert"
            .into()),
    }
}
