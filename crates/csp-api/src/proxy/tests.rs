use std::os::unix::ffi::OsStringExt as _;

use super::*;

fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, Vec<ProxyError>> {
    configured(None, variables)
}

fn configured(url: Option<&str>, variables: &[(&str, &str)]) -> Result<Proxies, Vec<ProxyError>> {
    let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
    Proxies::new(url.map(SecretString::from).as_ref(), &get)
}

fn route(proxies: &Proxies, url: &str) -> String {
    proxies.route(&url.parse().unwrap()).to_string()
}

#[test]
fn each_scheme_has_its_variables_and_all_proxy_serves_both() {
    for (variables, http, https) in [
        (&[("http_proxy", "http://a:1"), ("HTTP_PROXY", "http://b:1")][..], "http://a:1 (http_proxy)", "none"),
        (&[("http_proxy", ""), ("HTTP_PROXY", "b:1")], "http://b:1 (HTTP_PROXY)", "none"),
        (&[("HTTPS_PROXY", "b:1"), ("https_proxy", " ")], "none", "http://b:1 (HTTPS_PROXY)"),
        (&[("HTTPS_PROXY", "b:1"), ("https_proxy", "a:1")], "none", "http://a:1 (https_proxy)"),
        (&[("ALL_PROXY", "https://c")], "https://c:443 (ALL_PROXY)", "https://c:443 (ALL_PROXY)"),
        (
            &[("all_proxy", "socks5h://c"), ("HTTPS_PROXY", "b:1")],
            "socks5h://c:1080 (all_proxy)",
            "http://b:1 (HTTPS_PROXY)",
        ),
        (&[("HTTP_PROXY", "b:1"), ("REQUEST_METHOD", "GET")], "none", "none"),
        (&[("http_proxy", "a:1"), ("REQUEST_METHOD", "GET")], "http://a:1 (http_proxy)", "none"),
    ] {
        let proxies = proxies(variables).unwrap();
        assert_eq!(route(&proxies, "http://host"), http, "{variables:?}");
        assert_eq!(route(&proxies, "https://host"), https, "{variables:?}");
    }
}

#[test]
fn the_setting_counts_before_the_variables_but_for_no_proxy() {
    let variables = [("HTTPS_PROXY", "not a proxy"), ("NO_PROXY", "inside")];
    let proxies = configured(Some("http://user:canary@proxy:3128"), &variables).unwrap();
    assert_eq!(route(&proxies, "https://outside"), "http://proxy:3128 (api.proxy_url)");
    assert_eq!(route(&proxies, "http://outside"), "http://proxy:3128 (api.proxy_url)");
    assert_eq!(route(&proxies, "https://inside"), "none (NO_PROXY names the host)");
    assert!(!format!("{proxies:?}").contains("canary"));
}

#[test]
fn what_is_no_proxy_is_an_error_that_names_its_variable_and_nothing_of_its_value() {
    for (name, value) in [
        ("HTTPS_PROXY", "canary proxy"),
        ("https_proxy", "http://"),
        ("HTTP_PROXY", "http://u:canary@proxy:port"),
        ("ALL_PROXY", "ftp://u:canary@proxy"),
        ("https_proxy", "http://u:can#ary@proxy:1"),
    ] {
        let problems = proxies(&[(name, value)]).unwrap_err();
        assert_eq!(problems.len(), 1);
        let shown = format!("{} {problems:?}", problems[0]);
        assert!(shown.starts_with(&format!("{name}: ")) && !shown.contains("canary"), "{shown}");
    }
    assert_eq!(proxies(&[("HTTP_PROXY", "a b"), ("HTTPS_PROXY", "c d")]).unwrap_err().len(), 2);
    assert_eq!(configured(Some("a b"), &[]).unwrap_err().len(), 1);
    let get = |name: &str| (name == "no_proxy").then(|| OsString::from_vec(vec![0xff]));
    assert_eq!(Proxies::new(None, &get).unwrap_err()[0].to_string(), "no_proxy: is not UTF-8 text");
}

#[test]
fn no_proxy_is_read_as_curl_reads_it_and_a_little_more() {
    let cases = [
        ("*", "a.example", true),
        ("other, *", "a.example", true),
        ("example.com", "example.com", true),
        ("example.com", "www.Example.com", true),
        ("example.com", "nonexample.com", false),
        ("EXAMPLE.com", "example.com", true),
        (".example.com", "example.com", true),
        (".example.com", "www.example.com", true),
        ("*.example.com", "www.example.com", true),
        ("*.example.com", "example.com", false),
        ("example.com.", "example.com", true),
        ("example.com", "www.example.com.", true),
        ("other , example.com ", "example.com", true),
        ("other example.com", "example.com", true),
        ("other,,\texample.com", "example.com", true),
        ("example.com:443", "example.com", true),
        ("example.com:443", "example.com:8443", false),
        ("example.com:8443", "example.com:8443", true),
        (".example.com:8443", "www.example.com:8443", true),
        ("*:8443", "example.com:8443", true),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1:443", "127.0.0.1", true),
        ("127.0.0.1:80", "127.0.0.1", false),
        ("10.0.0.0/8", "10.1.2.3", true),
        ("10.0.0.0/8", "11.1.2.3", false),
        ("0.0.0.1", "10.0.0.1", false),
        ("::1", "[::1]", true),
        ("[::1]", "[::1]:8443", true),
        ("[::1]:8443", "[::1]:8443", true),
        ("[::1]:8443", "[::1]", false),
        ("fd00::/8", "[fd00::7]", true),
        ("", "example.com", false),
        (".", "example.com", false),
        ("com", "example.com", true),
    ];
    for (list, host, excepted) in cases {
        let proxies = proxies(&[("NO_PROXY", list), ("HTTPS_PROXY", "proxy:3128")]).unwrap();
        let shown = route(&proxies, &format!("https://{host}"));
        assert_eq!(shown.starts_with("none"), excepted, "{list} {host}: {shown}");
    }
    let lower = proxies(&[("no_proxy", "a"), ("NO_PROXY", "b"), ("HTTPS_PROXY", "proxy:3128")]).unwrap();
    assert!(route(&lower, "https://a").starts_with("none") && !route(&lower, "https://b").starts_with("none"));
}
