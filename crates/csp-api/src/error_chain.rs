//! What is below an error: the libraries wrap one into another.

use std::error::Error as StdError;
use std::io;

/// Everything below an error, outermost first.
pub(super) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `io::Error::source` skips what it wraps and goes on below it; h2's has no source at all.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner as &(dyn StdError + 'static))
        } else if let Some(inner) = error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io) {
            Some(inner as &(dyn StdError + 'static))
        } else {
            error.source()
        }
    })
}

/// The outermost error of a kind, however deep it is.
pub(super) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

/// What all errors of input and output below an error say, for the libraries wrap one into another.
pub(super) fn kinds<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = io::ErrorKind> + 'a {
    chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn a_tls_error_is_found_below_wrapped_io_errors() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let found = find::<rustls::Error>(&error);
        assert_eq!(found, Some(&rustls::Error::InvalidCertificate(CertificateError::Expired)));
        let words = found.map(|tls| crate::tls_fault::words(tls, None).0);
        assert_eq!(words.as_deref(), Some("the server's certificate has expired"));
    }
}
