//! Why a TLS handshake failed, and what to do about it.

use std::borrow::Cow;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::proxy::Proxy;

/// What happened and what to do. A proxy on the way may be the one that presents a certificate of its own.
pub(super) fn words(error: &Error, proxy: Option<&Proxy>) -> (String, Cow<'static, str>) {
    let (words, hint) = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            let hint = match proxy {
                Some(proxy) => format!(
                    "name the authority in api.tls.ca_file; if the proxy {proxy} opens TLS, that is the proxy's own"
                ),
                None => "name the authority in api.tls.ca_file; if something on the way opens TLS, that is its own"
                    .to_owned(),
            };
            let words = "unknown issuer: no trusted authority signed the server's certificate (see api.tls.ca_file)";
            return (words.to_owned(), hint.into());
        }
        Error::InvalidCertificate(certificate) => certificate_words(certificate),
        Error::AlertReceived(AlertDescription::CertificateRequired) => (
            "the server wants a client certificate: set api.tls.cert_file and api.tls.key_file",
            "set api.tls.cert_file and api.tls.key_file",
        ),
        Error::AlertReceived(alert) => {
            let hint = match alert {
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::AccessDenied => {
                    "have the client certificate in api.tls.cert_file looked at by whoever runs the server"
                }
                AlertDescription::UnrecognisedName => "check the host name in api.url: the server does not know it",
                _ => "ask whoever runs the server what it wants; its log has the reason",
            };
            return (format!("the server refused the handshake ({alert:?})"), hint.into());
        }
        Error::InvalidMessage(_) => (
            "what answers does not speak TLS",
            "check port and scheme in api.url: plain HTTP answers there, or something else",
        ),
        Error::NoCertificatesPresented => {
            ("the server presents no certificate", "have the server's certificate mended")
        }
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => (
            "the server speaks neither TLS 1.2 nor 1.3",
            "have the server, or what opens TLS on the way, brought up to date",
        ),
        Error::PeerIncompatible(_) => (
            "the server offers no TLS version or cipher in common",
            "have the server, or what opens TLS on the way, brought up to date",
        ),
        Error::PeerMisbehaved(_) => ("the server breaks the rules of TLS", "look at what opens TLS on the way"),
        Error::NoApplicationProtocol => {
            ("the server speaks neither HTTP/1.1 nor HTTP/2 over TLS", "check port and host in api.url")
        }
        _ => ("the TLS handshake failed", "look at the server's log, and at what opens TLS on the way"),
    };
    (words.to_owned(), hint.into())
}

fn certificate_words(error: &CertificateError) -> (&'static str, &'static str) {
    const OTHERS: &str = "have the server's certificate mended";
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the server's certificate has expired",
            "check the clock here; if it is right, have the server's certificate renewed",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the server's certificate is not valid yet", "check the clock here")
        }
        CertificateError::Revoked => ("the server's certificate is revoked", OTHERS),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "name mismatch: the server's certificate is for another host name",
            "check the host name in api.url, and that it resolves to the service",
        ),
        CertificateError::BadSignature => (
            "the server's certificate has a bad signature",
            "look for an authority of the same name but another key in api.tls.ca_file; if it is the right one, have the \
             certificate mended",
        ),
        CertificateError::BadEncoding => ("the server's certificate cannot be read", OTHERS),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ("the server's certificate is not meant for servers", OTHERS)
        }
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "the server presents the certificate of an authority (CA:TRUE) as its own: it needs one of its own",
            OTHERS,
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "the server's certificate is signed in a way that is not trusted any more, such as SHA-1 or a short key",
            OTHERS,
        ),
        _ => ("the server's certificate does not verify", "look at the certificate and at api.tls.ca_file"),
    }
}
