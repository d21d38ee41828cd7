//! Certificates, good and bad.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::upstream::Http;

/// Who the upstream can say that it is.
pub(crate) struct Identities {
    one: TlsAcceptor,
    two: TlsAcceptor,
    pub(crate) expired: TlsAcceptor,
    pub(crate) other_name: TlsAcceptor,
    pub(crate) stranger: TlsAcceptor,
    /// Whom the exporter trusts.
    pub(crate) authorities: String,
}

impl Identities {
    pub(crate) fn new() -> Self {
        let names = || CertificateParams::new(vec!["localhost".to_owned(), "*.faults.test".to_owned()]).unwrap();
        let mut over = names();
        over.not_after = date_time_ymd(2020, 1, 1);
        let other = CertificateParams::new(vec!["elsewhere.test".to_owned()]).unwrap();
        let (good, expired, other, stranger) =
            (Identity::new(&names()), Identity::new(&over), Identity::new(&other), Identity::new(&names()));
        Self {
            one: good.acceptor(b"http/1.1"),
            two: good.acceptor(b"h2"),
            authorities: [&good, &expired, &other].map(|identity| identity.certificate.pem()).concat(),
            expired: expired.acceptor(b"http/1.1"),
            other_name: other.acceptor(b"http/1.1"),
            stranger: stranger.acceptor(b"http/1.1"),
        }
    }

    pub(crate) fn good(&self, http: Http) -> &TlsAcceptor {
        match http {
            Http::One => &self.one,
            Http::Two => &self.two,
        }
    }
}

struct Identity {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Identity {
    fn new(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { key, certificate }
    }

    fn acceptor(&self, protocol: &[u8]) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}
