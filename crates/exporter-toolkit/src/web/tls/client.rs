//! Which client certificates are good enough.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::san;
use crate::web::config::{ClientAuth, TlsSettings};

/// The verifier for `settings`, with `roots` as the client CA.
///
/// # Errors
/// Why the client CA can't be used, behind its name.
pub(super) fn verifier(
    settings: &TlsSettings,
    roots: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, &'static str> {
    let TlsSettings { client_auth, client_allowed_sans, .. } = settings;
    if *client_auth == ClientAuth::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let chain = if roots.is_empty() {
        None
    } else {
        let mut store = RootCertStore::empty();
        let unusable = "holds a certificate that TLS cannot use as an authority";
        for root in &roots {
            store.add(root.clone()).map_err(|_| unusable)?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        Some(builder.build().map_err(|_| unusable)?)
    };
    Ok(Arc::new(Verifier {
        policy: *client_auth,
        chain,
        roots,
        allowed_sans: client_allowed_sans.clone(),
        algorithms: provider.signature_verification_algorithms,
    }))
}

/// Go's five policies on top of webpki's check of chains.
#[derive(Debug)]
struct Verifier {
    policy: ClientAuth,
    /// `None` without a client CA: then nothing verifies. (Go would ask the system's CAs, which vouch
    /// for half the internet.)
    chain: Option<Arc<dyn ClientCertVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    allowed_sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn check_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(chain) = &self.chain else { return Err(CertificateError::UnknownIssuer.into()) };
        match chain.verify_client_cert(end_entity, intermediates, now) {
            Ok(_) => Ok(()),
            // Go takes a certificate that is in the client CA itself, such as a self-signed one; webpki
            // does not when it is marked as a CA, as those of `openssl req -x509` are.
            Err(_) if self.roots.contains(end_entity) => check_root(end_entity, now),
            Err(error) => Err(error),
        }
    }
}

/// What is left to check of a certificate that is trusted as such: its time and its purpose.
fn check_root(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).map_err(|_| CertificateError::Expired)?;
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    let usage = certificate.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    match usage {
        Some(usage) if !usage.value.client_auth && !usage.value.any => Err(CertificateError::InvalidPurpose.into()),
        _ => Ok(()),
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        matches!(self.policy, ClientAuth::RequireAny | ClientAuth::RequireAndVerify)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if matches!(self.policy, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify) {
            self.check_chain(end_entity, intermediates, now)?;
        }
        match &self.allowed_sans {
            Some(allowed) if !san::any_allowed(end_entity, allowed) => {
                let error = OtherError(Arc::new(san::NotAllowed));
                Err(CertificateError::Other(error).into())
            }
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    // Whatever the policy: who shows a certificate must hold its key.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
