//! PEM files, and what is wrong with them in words that name the block.

use std::path::Path;

use file_reader::ReadError;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use x509_parser::asn1_rs::{FromDer as _, Integer, OctetString, Sequence};

use super::build_error::BuildError;

/// The largest file in bytes; bundles with the authorities of the whole world have a few hundred KiB.
const LARGEST: u64 = 4 << 20;

/// A file of `api.tls`.
pub(super) struct PemFile<'a> {
    setting: &'static str,
    path: &'a Path,
    content: Vec<u8>,
}

/// From a `-----BEGIN` line to the next one.
struct Block<'a> {
    line: usize,
    label: String,
    text: &'a [u8],
}

impl<'a> PemFile<'a> {
    /// Reads the file that `api.tls` names under `setting`.
    pub(super) async fn read(setting: &'static str, path: &'a Path, deadline: Instant) -> Result<Self, BuildError> {
        let unreadable =
            |error: ReadError| BuildError::Unreadable { setting, path: path.to_owned(), problem: error.to_string() };
        let content = file_reader::read(path, LARGEST, deadline).await.map_err(unreadable)?;
        let file = Self { setting, path, content };
        match file.content.get(..2) {
            Some([0xff, 0xfe] | [0xfe, 0xff]) => Err(file.unusable("is UTF-16 text: save it as UTF-8")),
            Some([0x30, 0x80..=0xff]) => Err(file.unusable(
                "is binary (DER or PKCS #12), not PEM: convert it with `openssl x509 -inform der`, `openssl pkey -inform der` \
                 or `openssl pkcs12 -nodes`",
            )),
            _ => Ok(file),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.path
    }

    /// That the file does not hold what it should.
    pub(super) fn unusable(&self, problem: impl Into<String>) -> BuildError {
        BuildError::Unusable { setting: self.setting, path: self.path.to_owned(), problem: problem.into() }
    }

    /// Every certificate, at least one, with the place of each in words. One that is damaged is an error: whoever put it
    /// there wants it to count.
    pub(super) fn certificates(&self) -> Result<Vec<(String, CertificateDer<'static>)>, BuildError> {
        let blocks = self.blocks();
        let mut found = Vec::new();
        for block in blocks.iter().filter(|block| block.label == "CERTIFICATE") {
            let place = format!("certificate number {} (line {})", found.len() + 1, block.line);
            let certificate = CertificateDer::from_pem_slice(block.text)
                .map_err(|_| self.unusable(format!("has a damaged block: {place} is no PEM from BEGIN to END")))?;
            found.push((place, certificate));
        }
        if found.is_empty() { Err(self.lacks("certificate", &blocks)) } else { Ok(found) }
    }

    /// The first private key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, BuildError> {
        let blocks = self.blocks();
        let kinds = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
        let encrypted = |block: &Block<'_>| {
            block.label == "ENCRYPTED PRIVATE KEY" || block.text.windows(9).any(|part| part == b"ENCRYPTED")
        };
        if blocks.iter().any(encrypted) {
            let problem = "is encrypted, and the exporter has no passphrase: decrypt it with `openssl pkey`";
            return Err(self.unusable(problem));
        }
        let Some(block) = blocks.iter().find(|block| kinds.contains(&block.label.as_str())) else {
            return Err(self.lacks("private key", &blocks));
        };
        let damaged = || self.unusable(format!("has a damaged private key (line {})", block.line));
        PrivateKeyDer::from_pem_slice(block.text).map_err(|_| damaged())
    }

    fn lacks(&self, what: &str, blocks: &[Block<'_>]) -> BuildError {
        let is_indented = self.content.windows(11).any(|part| part == b"-----BEGIN ");
        self.unusable(match blocks.first() {
            Some(block) => format!("holds no PEM {what}, but: {}", block.label),
            None if is_indented => format!("holds no PEM {what}: its BEGIN line must start at the beginning of a line"),
            None => format!("holds no PEM {what}"),
        })
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        // Editors of some systems begin a file with a byte order mark.
        let content = self.content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.content);
        let mut starts = Vec::new();
        let mut offset = 0;
        for (number, line) in content.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if let Some(label) = line.strip_prefix(b"-----BEGIN ") {
                let label = String::from_utf8_lossy(label);
                let label = label.trim_end().trim_end_matches('-');
                let is_plain = label.len() <= 40 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
                starts.push((
                    offset,
                    number + 1,
                    if is_plain { label.to_owned() } else { "a strange block".to_owned() },
                ));
            }
            offset += line.len();
        }
        let ends = starts.iter().skip(1).map(|(offset, ..)| *offset).chain([content.len()]).collect::<Vec<_>>();
        let blocks = starts.into_iter().zip(ends);
        blocks.map(|((start, line, label), end)| Block { line, label, text: &content[start..end] }).collect()
    }
}

/// How many bits an RSA key has; `None` for other keys.
pub(super) fn rsa_bits(key: &PrivateKeyDer<'_>) -> Option<usize> {
    let bits = |pkcs1: &[u8]| {
        let (_, key) = Sequence::from_der(pkcs1).ok()?;
        let (rest, _version) = Integer::from_der(&key.content).ok()?;
        let (_, modulus) = Integer::from_der(rest).ok()?;
        let modulus = modulus.as_ref();
        let leading = modulus.iter().take_while(|&&byte| byte == 0).count();
        Some((modulus.len() - leading) * 8)
    };
    match key {
        PrivateKeyDer::Pkcs1(key) => bits(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => {
            let (_, key) = Sequence::from_der(key.secret_pkcs8_der()).ok()?;
            let (rest, _version) = Integer::from_der(&key.content).ok()?;
            let (rest, _algorithm) = Sequence::from_der(rest).ok()?;
            let (_, inner) = OctetString::from_der(rest).ok()?;
            bits(inner.as_ref())
        }
        _ => None,
    }
}
