//! Credentials that would travel where others can read them.

use url::{Host, Url};

use super::Config;

impl Config {
    /// Warns of each console that is asked over plain HTTP and is not on this machine: a secret, an access token and every
    /// list go there as they are, for everybody on the way to read. `usual` is what names the usual console.
    ///
    /// It is no error: the way may be a tunnel, or a service mesh that encrypts what passes.
    pub(super) fn warn_of_plain_http(&mut self, usual: &str) {
        let Self { api, credentials, warnings, .. } = self;
        let is_usual_asked = credentials.iter().any(|credential| credential.url.is_none());
        let usual = is_usual_asked.then(|| (usual.to_owned(), &api.url));
        let own = credentials.iter().filter_map(|credential| {
            let url = credential.url.as_ref()?;
            Some((format!("credentials.{}.url", credential.name), url))
        });
        for (place, url) in usual.into_iter().chain(own).filter(|(_, url)| is_in_the_clear(url)) {
            let host = url.host_str().unwrap_or_default();
            warnings.push(format!(
                "{place}: credentials go to {host} over plain http, and everybody on the way can read them: use https"
            ));
        }
    }
}

/// Whether what is sent there leaves this machine unencrypted.
fn is_in_the_clear(url: &Url) -> bool {
    let is_here = match url.host() {
        // RFC 6761, section 6.3: these names are always this machine.
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_here
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use crate::config::environment::from_environment;
    use crate::config::parse;

    fn warnings(api: &str, own: &str) -> Vec<String> {
        let yaml = format!(
            "api: {{url: '{api}'}}\ncredentials:\n  usual: {{client_id: a, client_secret_file: s}}\n  other: {{client_id: a, \
             client_secret_file: s, url: '{own}'}}\norganizations:\n  - {{id: 01234567-89ab-cdef-0123-456789abcdef, credentials: usual}}\n"
        );
        parse(yaml.as_bytes(), Path::new("")).unwrap().warnings
    }

    #[test]
    fn plain_http_to_another_host_is_a_warning_for_each_console() {
        let said = warnings("http://console.example/csp", "http://10.0.0.7:8080");
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("api.url: credentials go to console.example over plain http"), "{said:?}");
        assert!(said[1].starts_with("credentials.other.url: credentials go to 10.0.0.7 over plain http"), "{said:?}");
        assert_eq!(warnings("https://console.example", "https://other.example"), [""; 0]);
    }

    #[test]
    fn this_machine_may_be_asked_in_the_clear() {
        for here in [
            "http://localhost:1",
            "http://localhost.",
            "http://a.localhost",
            "http://127.9.9.9",
            "http://[::1]:80",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert_eq!(warnings(here, here), [""; 0], "{here}");
        }
        for elsewhere in ["http://localhost.example", "http://notlocalhost", "http://0.0.0.0", "http://[::2]"] {
            assert_eq!(warnings(elsewhere, "https://x").len(), 1, "{elsewhere}");
        }
    }

    #[test]
    fn a_console_that_nobody_is_asked_at_is_no_word() {
        let yaml = "api: {url: 'http://console.example'}\ncredentials:\n  own: {client_id: a, client_secret_file: s, url: 'https://x'}\n\
                    organizations:\n  - {id: 01234567-89ab-cdef-0123-456789abcdef, credentials: own}\n";
        assert_eq!(parse(yaml.as_bytes(), Path::new("")).unwrap().warnings, [""; 0]);
    }

    #[test]
    fn the_environment_is_warned_of_by_its_variable() {
        let get = |name: &str| {
            let value = match name {
                "CSP_ORGANIZATION_ID" => "01234567-89ab-cdef-0123-456789abcdef",
                "CSP_API_TOKEN" => "canary",
                "CSP_URL" => "http://console.example",
                _ => return None,
            };
            Some(OsString::from(value))
        };
        let said = from_environment(&get).unwrap().unwrap().warnings;
        assert!(said.len() == 1 && said[0].starts_with("CSP_URL: credentials go to console.example"), "{said:?}");
    }
}
