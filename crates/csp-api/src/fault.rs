//! What a transport error means, in closed reasons and in words that are safe to show.
//!
//! The library's own messages are not used: they can quote a URL, and with it a proxy's password.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use super::error::{Error, Operation, Reason};
use super::retry::{Failure, Retry};

/// Everything below an error, outermost first.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `io::Error::source` skips what it wraps and goes on below it.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// No response: the request could not be sent, or nothing came back.
pub(super) fn sending(operation: Operation, error: &reqwest::Error, connect_timeout: Duration) -> Failure {
    let again = |reason, detail: &str| failure(operation, reason, Retry::BackOff, detail);
    if let Some(tls) = chain(error).find_map(|e| e.downcast_ref::<rustls::Error>()) {
        return failure(operation, Reason::Tls, Retry::Never, &tls_words(tls));
    }
    let io = chain(error).find_map(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind);
    if error.is_builder() {
        failure(operation, Reason::Internal, Retry::Never, "the request could not be built")
    } else if error.is_timeout() {
        again(Reason::Timeout, &format!("no connection within {connect_timeout:?}"))
    } else if error.is_dns() {
        again(Reason::Connect, "the host name does not resolve")
    } else if let Some(kind) = io.filter(|&kind| kind != io::ErrorKind::Other) {
        again(Reason::Connect, &kind.to_string())
    } else if chain(error).filter_map(|e| e.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse) {
        again(Reason::Connect, "the answer is not HTTP")
    } else if error.is_connect() {
        again(Reason::Connect, "the connection could not be made, or the proxy refused it")
    } else {
        again(Reason::Connect, "the connection was closed before an answer came")
    }
}

/// The body ended early, or its compression is broken.
pub(super) fn reading(operation: Operation, error: &reqwest::Error) -> Failure {
    let transport = chain(error).any(<dyn StdError>::is::<hyper::Error>);
    let kind = chain(error).find_map(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other) if !transport => {
            failure(operation, Reason::Decode, Retry::Never, "the body's compression is broken")
        }
        _ => failure(operation, Reason::Body, Retry::BackOff, "the body was cut"),
    }
}

fn failure(operation: Operation, reason: Reason, retry: Retry, detail: &str) -> Failure {
    Failure { error: Error::new(operation, reason, detail), retry }
}

/// Why a handshake failed.
fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(certificate) => certificate_words(certificate),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a client certificate: set api.tls.cert_file and api.tls.key_file".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("the server refused the handshake ({alert:?})"),
        rustls::Error::InvalidMessage(_) => "what answers does not speak TLS".to_owned(),
        rustls::Error::NoCertificatesPresented => "the server presents no certificate".to_owned(),
        rustls::Error::PeerIncompatible(_) => "the server offers no TLS version or cipher in common".to_owned(),
        _ => "the TLS handshake failed".to_owned(),
    }
}

fn certificate_words(error: &CertificateError) -> String {
    let words = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the server's certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet"
        }
        CertificateError::Revoked => "the server's certificate is revoked",
        CertificateError::UnknownIssuer => {
            "unknown issuer: no trusted authority signed the server's certificate (see api.tls.ca_file)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "name mismatch: the server's certificate is for another host name"
        }
        CertificateError::BadSignature => "the server's certificate has a bad signature",
        CertificateError::BadEncoding => "the server's certificate cannot be read",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not meant for servers"
        }
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server presents the certificate of an authority (CA:TRUE) as its own: it needs one of its own"
        }
        _ => "the server's certificate does not verify",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_found_below_wrapped_io_errors() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let found = chain(&error).find_map(|e| e.downcast_ref::<rustls::Error>()).map(tls_words);
        assert_eq!(found.as_deref(), Some("the server's certificate has expired"));
    }
}
