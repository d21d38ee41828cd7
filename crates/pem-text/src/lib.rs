//! Certificates and keys out of PEM text, and what is wrong with it in words that name the block.
//!
//! Every problem is the end of a sentence that begins with what the text is in, such as the name of a file: `is binary …`,
//! `holds no PEM certificate, but: PRIVATE KEY`. None repeats anything of the text but the label of a block.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::asn1_rs::{FromDer as _, Integer, OctetString, Sequence};

/// PEM text.
#[derive(Debug, Clone, Copy)]
pub struct Pem<'a>(&'a [u8]);

/// A certificate, and where it is.
#[derive(Debug)]
pub struct Placed {
    /// Its number and line, in words.
    pub place: String,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
}

impl Placed {
    /// That what is between its BEGIN and its END is no certificate.
    #[must_use]
    pub fn damaged(&self) -> String {
        format!("has a damaged block: {} is no certificate inside", self.place)
    }

    /// Whether it is a certificate inside.
    ///
    /// # Errors
    /// [`Self::damaged`].
    pub fn check(&self) -> Result<(), String> {
        x509_parser::parse_x509_certificate(&self.certificate).map(drop).map_err(|_| self.damaged())
    }
}

/// From a `-----BEGIN` line to the next one.
struct Block<'a> {
    line: usize,
    label: String,
    text: &'a [u8],
}

impl<'a> Pem<'a> {
    /// The text in these bytes.
    ///
    /// # Errors
    /// It is something else.
    pub fn new(content: &'a [u8]) -> Result<Self, String> {
        match content.get(..2) {
            Some([0xff, 0xfe] | [0xfe, 0xff]) => Err("is UTF-16 text: save it as UTF-8".to_owned()),
            Some([0x30, 0x80..=0xff]) => Err(
                "is binary (DER or PKCS #12), not PEM: convert it with `openssl x509 -inform der`, `openssl pkey -inform der` \
                 or `openssl pkcs12 -nodes`"
                    .to_owned(),
            ),
            // Editors of some systems begin a file with a byte order mark.
            _ => Ok(Self(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))),
        }
    }

    /// Every certificate, at least one. One that is damaged is an error: whoever put it there wants it to count.
    ///
    /// # Errors
    /// There is none, or a damaged one.
    pub fn certificates(self) -> Result<Vec<Placed>, String> {
        let blocks = self.blocks();
        let mut found = Vec::new();
        for block in blocks.iter().filter(|block| block.label == "CERTIFICATE") {
            let place = format!("certificate number {} (line {})", found.len() + 1, block.line);
            let certificate = CertificateDer::from_pem_slice(block.text)
                .map_err(|_| format!("has a damaged block: {place} is no PEM from BEGIN to END"))?;
            found.push(Placed { place, certificate });
        }
        if found.is_empty() { Err(self.lacks("certificate", &blocks)) } else { Ok(found) }
    }

    /// The first private key.
    ///
    /// # Errors
    /// There is none, or it is encrypted or damaged.
    pub fn private_key(self) -> Result<PrivateKeyDer<'static>, String> {
        let blocks = self.blocks();
        let kinds = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
        let encrypted = |block: &Block<'_>| {
            block.label == "ENCRYPTED PRIVATE KEY" || block.text.windows(9).any(|part| part == b"ENCRYPTED")
        };
        if blocks.iter().any(encrypted) {
            return Err("is encrypted, and the exporter has no passphrase: decrypt it with `openssl pkey`".to_owned());
        }
        let Some(block) = blocks.iter().find(|block| kinds.contains(&block.label.as_str())) else {
            return Err(self.lacks("private key", &blocks));
        };
        PrivateKeyDer::from_pem_slice(block.text)
            .map_err(|_| format!("has a damaged private key (line {})", block.line))
    }

    fn lacks(self, what: &str, blocks: &[Block<'_>]) -> String {
        let is_indented = self.0.windows(11).any(|part| part == b"-----BEGIN ");
        match blocks.first() {
            Some(block) => format!("holds no PEM {what}, but: {}", block.label),
            None if is_indented => format!("holds no PEM {what}: its BEGIN line must start at the beginning of a line"),
            None => format!("holds no PEM {what}"),
        }
    }

    fn blocks(self) -> Vec<Block<'a>> {
        let content = self.0;
        let mut starts = Vec::new();
        let mut offset = 0;
        for (number, line) in content.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if let Some(label) = line.strip_prefix(b"-----BEGIN ") {
                let label = String::from_utf8_lossy(label);
                let label = label.trim_end().trim_end_matches('-');
                let is_plain = label.len() <= 40 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
                let label = if is_plain { label } else { "a strange block" };
                starts.push((offset, number + 1, label.to_owned()));
            }
            offset += line.len();
        }
        let ends = starts.iter().skip(1).map(|(offset, ..)| *offset).chain([content.len()]).collect::<Vec<_>>();
        let blocks = starts.into_iter().zip(ends);
        blocks.map(|((start, line, label), end)| Block { line, label, text: &content[start..end] }).collect()
    }
}

/// Why a key that is a key cannot be used by the TLS library.
#[must_use]
pub fn unfit(key: &PrivateKeyDer<'_>) -> String {
    match rsa_bits(key) {
        Some(bits @ ..2048) => format!("is an RSA key of {bits} bits: TLS needs 2048 or more, so have a new one issued"),
        Some(bits @ 8193..) => format!("is an RSA key of {bits} bits: 8192 are the most that can be used"),
        _ => "is a key that cannot be used: RSA keys of 2048 to 8192 bits can, and ECDSA keys on P-256, P-384 and P-521, \
              and Ed25519 keys"
            .to_owned(),
    }
}

/// How many bits an RSA key has; `None` for other keys.
fn rsa_bits(key: &PrivateKeyDer<'_>) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_block_and_nothing_of_what_is_in_it() {
        let wrong = |text: &str| Pem::new(text.as_bytes()).unwrap().certificates().unwrap_err();
        let block = |label: &str, inside: &str| format!("-----BEGIN {label}-----\n{inside}\n-----END {label}-----\n");
        assert_eq!(wrong("canary"), "holds no PEM certificate");
        assert_eq!(wrong(&block("PRIVATE KEY", "AAAA")), "holds no PEM certificate, but: PRIVATE KEY");
        assert_eq!(wrong(&block("canary:x", "AAAA")), "holds no PEM certificate, but: a strange block");
        let second = block("CERTIFICATE", "AAAA") + &block("CERTIFICATE", "canary?");
        assert_eq!(wrong(&second), "has a damaged block: certificate number 2 (line 4) is no PEM from BEGIN to END");
        let first = block("CERTIFICATE", "AAAA");
        let placed = Pem::new(first.as_bytes()).unwrap().certificates().unwrap();
        assert_eq!(
            placed[0].check().unwrap_err(),
            "has a damaged block: certificate number 1 (line 1) is no certificate inside"
        );
    }
}
