//! Addresses to listen on, as Prometheus writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// `10.0.0.1:80`, `[::1]:80`, `localhost:80`, or `:80` for all addresses of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    All,
    Localhost,
    Ip(IpAddr),
}

impl ListenAddress {
    /// The port; 0 takes a free one.
    #[must_use]
    pub fn port(self) -> u16 {
        self.port
    }

    /// Whether all addresses of the host are meant: one IPv6 socket that takes IPv4 too, or an IPv4 one where there is no IPv6.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.host == Host::All
    }

    /// What to bind. `:port` is the IPv6 wildcard, meant as dual-stack; `localhost` is both loopback
    /// addresses, of which one may be missing on a host.
    #[must_use]
    pub fn addresses(self) -> Vec<SocketAddr> {
        let hosts: Vec<IpAddr> = match self.host {
            Host::All => vec![Ipv6Addr::UNSPECIFIED.into()],
            Host::Localhost => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Host::Ip(ip) => vec![ip],
        };
        hosts.into_iter().map(|host| SocketAddr::new(host, self.port)).collect()
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPES: &str = "expected 127.0.0.1:10094, [::1]:10094, localhost:10094 or :10094";
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("the port is missing: {SHAPES}"))?;
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("the port must be a number: {SHAPES}"));
        }
        let port = port.parse().map_err(|_| "the port must be at most 65535".to_owned())?;
        let host = if host.is_empty() {
            Host::All
        } else if host.eq_ignore_ascii_case("localhost") {
            Host::Localhost
        } else if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Host::Ip(IpAddr::V6(inner.parse().map_err(|_| format!("not an IPv6 address in the brackets: {SHAPES}"))?))
        } else if host.contains(':') {
            return Err(format!("an IPv6 address needs brackets: {SHAPES}"));
        } else {
            Host::Ip(IpAddr::V4(
                host.parse().map_err(|_| format!("a host name other than localhost can't be listened on: {SHAPES}"))?,
            ))
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::All => write!(f, ":{}", self.port),
            Host::Localhost => write!(f, "localhost:{}", self.port),
            Host::Ip(ip) => SocketAddr::new(ip, self.port).fmt(f),
        }
    }
}
