//! The consoles of the service: separate worlds, each with organizations and credentials of its own.

use url::Url;

/// One console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Console {
    /// Its base URL, for `api.url` or `credentials.*.url`.
    url: &'static str,
    /// Who has it.
    of: &'static str,
}

/// The consoles that are known, those of production first. Sources: the vendor's reference for the first two; public
/// clients for the others; the last one is named by the vendor as a cloud console, without a path below it.
const CONSOLES: [Console; 6] = [
    Console { url: "https://console.tanzu.broadcom.com", of: "Tanzu Platform Cloud Services" },
    Console { url: "https://console.cloud.vmware.com", of: "VMware Cloud Services" },
    Console { url: "https://console.cloud-us-gov.vmware.com", of: "VMware Cloud Services for the US government" },
    Console { url: "https://console-stg.tanzu.broadcom.com", of: "staging of Tanzu Platform Cloud Services" },
    Console { url: "https://console-stg.cloud.vmware.com", of: "staging of VMware Cloud Services" },
    Console {
        url: "https://console.cloud.broadcom.com",
        of: "Broadcom cloud console; nobody has confirmed that it has this API",
    },
];

/// What to do about a credential that `asked` refuses, where another console may know it.
#[must_use]
pub fn advice(asked: &Url, configured: &[Url]) -> String {
    let host = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
    let own = configured.iter().filter(|url| host(url) != host(asked)).map(Url::to_string);
    let known = CONSOLES.iter().filter(|console| Url::parse(console.url).is_ok_and(|url| host(&url) != host(asked)));
    let mut others: Vec<String> = Vec::new();
    for url in own.chain(known.map(|console| console.url.to_owned())) {
        let url = url.trim_end_matches('/');
        if !others.iter().any(|other| other == url) {
            others.push(url.to_owned());
        }
    }
    format!(
        "the credential may belong to another console: {} was asked, and consoles know nothing of each other's credentials and \
         organizations. The address bar of your browser shows which one you use; there are {}. Set api.url, or url of the \
         credential",
        asked.as_str().trim_end_matches('/'),
        others.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_console_that_was_asked_and_all_others() {
        let asked: Url = "https://console.cloud.vmware.com/".parse().unwrap();
        let own: Url = "http://127.0.0.1:8080".parse().unwrap();
        let words = advice(&asked, &[asked.clone(), own]);
        assert!(words.contains("https://console.cloud.vmware.com was asked"), "{words}");
        let rest = words.split("there are").nth(1).unwrap();
        assert!(
            rest.contains("http://127.0.0.1:8080") && !rest.contains("https://console.cloud.vmware.com,"),
            "{words}"
        );
        for console in CONSOLES.iter().filter(|console| console.url != "https://console.cloud.vmware.com") {
            assert!(rest.contains(console.url), "{words}");
        }
    }

    #[test]
    fn a_console_that_several_credentials_name_is_named_once() {
        let [asked, other, known] = ["http://127.0.0.1:1", "http://127.0.0.1:2", "https://console.cloud.vmware.com/"]
            .map(|url| url.parse::<Url>().unwrap());
        let words = advice(&asked, &[asked.clone(), other.clone(), other, known.clone(), known]);
        for once in ["http://127.0.0.1:2", "https://console.cloud.vmware.com"] {
            assert_eq!(words.matches(once).count(), 1, "{words}");
        }
    }
}
