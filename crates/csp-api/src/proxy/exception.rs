//! Hosts that are reached without a proxy: what `NO_PROXY` names.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

/// Hosts of `NO_PROXY`, which are reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    hosts: Hosts,
    /// With a port it is for that one alone.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    Network(IpNet),
    Domain {
        /// Lower case, with neither a leading nor a trailing dot.
        name: String,
        /// `*.name` names what is below it alone.
        below_only: bool,
    },
}

impl Exception {
    /// Commas and blanks separate, as in curl; `host:port` and `*.domain` are what Go and others add.
    pub(super) fn read_all(list: &str) -> Vec<Self> {
        list.split(|c: char| c == ',' || c.is_whitespace()).filter_map(Self::read).collect()
    }

    fn read(text: &str) -> Option<Self> {
        let (host, port) = split_port(text);
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let network = address.parse::<IpNet>().ok().or_else(|| address.parse::<IpAddr>().ok().map(IpNet::from));
        let hosts = match network {
            _ if host == "*" => Hosts::All,
            Some(network) => Hosts::Network(network),
            None => {
                let below_only = host.starts_with("*.");
                let name = host.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
                (!name.is_empty()).then_some(Hosts::Domain { name, below_only })?
            }
        };
        Some(Self { hosts, port })
    }

    pub(super) fn names(&self, url: &Url) -> bool {
        let Self { hosts, port } = self;
        if port.is_some() && *port != url.port_or_known_default() {
            return false;
        }
        match (hosts, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Network(network), Some(Host::Ipv4(address))) => network.contains(&IpAddr::V4(address)),
            (Hosts::Network(network), Some(Host::Ipv6(address))) => network.contains(&IpAddr::V6(address)),
            (Hosts::Domain { name, below_only }, Some(Host::Domain(host))) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                match host.strip_suffix(name.as_str()) {
                    Some("") => !below_only,
                    Some(rest) => rest.ends_with('.'),
                    None => false,
                }
            }
            _ => false,
        }
    }
}

/// `host:port` and `[address]:port`; a bare IPv6 address has many colons and no port.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let split = text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match split.map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, Some(port)),
        _ => (text, None),
    }
}
