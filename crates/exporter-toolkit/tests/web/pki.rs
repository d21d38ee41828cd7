//! Certificates, and folders with what a web configuration refers to.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;

/// A certificate and its key, in PEM form.
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// An authority.
pub(crate) struct Authority {
    pub(crate) cert: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap().pem();
        Self { cert, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn server(&self) -> Identity {
        let names = vec![SanType::IpAddress([127, 0, 0, 1].into()), SanType::DnsName("localhost".try_into().unwrap())];
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn client(&self, names: Vec<SanType>) -> Identity {
        self.issue(names, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, names: Vec<SanType>, purpose: ExtendedKeyUsagePurpose) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![purpose];
        Identity { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

/// A certificate that signed itself and calls itself an authority, as `openssl req -x509` makes them.
pub(crate) fn self_signed_client() -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["self.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Identity { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A folder with `server.crt`, `server.key`, `ca.crt` and `web.yml`.
pub(crate) struct Folder {
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Folder {
    pub(crate) fn new(web_config: &str) -> Self {
        let folder = Self { authority: Authority::new(), folder: tempfile::tempdir().unwrap() };
        folder.rotate();
        folder.write("ca.crt", &folder.authority.cert);
        folder.write("web.yml", web_config);
        folder
    }

    /// With TLS and `more` keys of `tls_server_config`.
    pub(crate) fn tls(more: &[&str]) -> Self {
        Self::new(&format!(
            "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  {}\n",
            more.join("\n  ")
        ))
    }

    /// A new certificate for the server.
    pub(crate) fn rotate(&self) {
        let Identity { cert, key } = self.authority.server();
        self.write("server.crt", &cert);
        self.write("server.key", &key);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn append(&self, text: &str) {
        let before = std::fs::read_to_string(self.web_config()).unwrap();
        self.write("web.yml", &format!("{before}{text}"));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn web_config(&self) -> PathBuf {
        self.path("web.yml")
    }

    /// A client that trusts the authority, and shows `identity`.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.authority.cert.as_bytes()).unwrap();
        let mut builder = reqwest::Client::builder().tls_certs_only([root]).no_proxy().pool_max_idle_per_host(0);
        if let Some(Identity { cert, key }) = identity {
            builder = builder.identity(reqwest::Identity::from_pem(format!("{cert}{key}").as_bytes()).unwrap());
        }
        builder.timeout(crate::fake::PATIENCE).build().unwrap()
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        self.folder.path()
    }
}
