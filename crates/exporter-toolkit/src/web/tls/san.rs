//! The subject alternative names of a client's certificate, as Go writes them.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// No name of the certificate is in `client_allowed_sans`.
#[derive(Debug, thiserror::Error)]
#[error("no subject alternative name of the client's certificate is allowed")]
pub(super) struct NotAllowed;

/// Whether a DNS name, e-mail address, IP address or URI of `certificate` is in `allowed`, exactly as written there.
pub(super) fn any_allowed(certificate: &CertificateDer<'_>, allowed: &[String]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    // An extension that is there twice, or can't be read, names nobody.
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().filter_map(text).any(|name| allowed.contains(&name))
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => {
            let address = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            // Go writes an IPv4 address in the form of an IPv6 one as IPv4.
            let address = address.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from)).ok()?;
            Some(address.to_canonical().to_string())
        }
        _ => None,
    }
}
