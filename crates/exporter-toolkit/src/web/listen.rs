//! Addresses to listen on, and sockets that systemd hands over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// An address to listen on: `10.0.0.1:10094`, `[::1]:10094`, `localhost:10094`, or `:10094` for every address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: Option<String>,
    port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "expected HOST:PORT, [IPv6]:PORT or :PORT";
        let text = text.trim();
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let port = port.parse().map_err(|_| "the port must be a number from 0 to 65535")?;
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(FORM)?;
            let ip: Ipv6Addr = inner.parse().map_err(|_| "there is no IPv6 address between the brackets")?;
            return Ok(Self { host: Some(ip.to_string()), port });
        }
        if host.contains(':') {
            return Err("an IPv6 address needs brackets, as in [::1]:10094".to_owned());
        }
        Ok(Self { host: (!host.is_empty()).then(|| host.to_owned()), port })
    }
}

impl Address {
    /// What may be bound for it: the first that works. Waits for the name server where the host is a name, as long as
    /// `/etc/resolv.conf` says.
    ///
    /// # Errors
    /// The host's name does not resolve.
    pub fn candidates(&self) -> io::Result<Vec<SocketAddr>> {
        let Self { host, port } = self;
        let Some(host) = host else {
            // Where IPv6 is turned off, "every address" means every IPv4 address.
            return Ok(vec![(Ipv6Addr::UNSPECIFIED, *port).into(), (Ipv4Addr::UNSPECIFIED, *port).into()]);
        };
        let mut found: Vec<SocketAddr> = (host.as_str(), *port).to_socket_addrs()?.collect();
        // IPv4 first, as Go does: it is what most clients of `localhost` try at once.
        found.sort_by_key(SocketAddr::is_ipv6);
        Ok(found)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            None => write!(f, ":{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address can't be had.
    #[error("cannot listen on {address}: {}", explain(error))]
    Bind {
        /// As configured.
        address: Address,
        /// What the system says.
        error: io::Error,
    },
    /// `--web.systemd-socket` without a socket.
    #[error("systemd passed no listening TCP socket (LISTEN_PID, LISTEN_FDS): start through a socket unit")]
    NotActivated,
    /// A socket that was handed over is of no use.
    #[error("a socket that systemd passed can't be used: {0}")]
    Activated(io::Error),
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use; is another exporter running there?".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted; ports below 1024 need a privilege".to_owned(),
        _ => error.to_string(),
    }
}

/// Listens on every address.
///
/// A name server may be silent for long: a thread of the runtime's pool for blocking work waits for it, and whoever drops
/// this future does not.
///
/// # Errors
/// The first address that can't be had.
pub async fn bind(addresses: &[Address]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = one(address.clone()).await;
        listeners.push(listener.map_err(|error| ListenError::Bind { address: address.clone(), error })?);
    }
    Ok(listeners)
}

/// The sockets that systemd hands over (`LISTEN_PID`, `LISTEN_FDS`; `sd_listen_fds(3)`), to be [adopted](adopt).
///
/// Clears these variables, so that children don't take the sockets for theirs: call it before there are
/// threads that read the environment.
///
/// # Errors
/// There is none, or one can't be used.
pub fn activated() -> Result<Vec<std::net::TcpListener>, ListenError> {
    let mut passed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        listeners.extend(passed.take_tcp_listener(index).map_err(ListenError::Activated)?);
    }
    if listeners.is_empty() { Err(ListenError::NotActivated) } else { Ok(listeners) }
}

/// Makes the runtime, inside which it must be called, serve `sockets`.
///
/// # Errors
/// One can't be used.
pub fn adopt(sockets: Vec<std::net::TcpListener>) -> Result<Vec<TcpListener>, ListenError> {
    let adopt = |socket: std::net::TcpListener| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    };
    sockets.into_iter().map(|socket| adopt(socket).map_err(ListenError::Activated)).collect()
}

async fn one(address: Address) -> io::Result<TcpListener> {
    let candidates = tokio::task::spawn_blocking(move || address.candidates()).await.map_err(io::Error::other)??;
    let mut opened = Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address"));
    for candidate in candidates {
        opened = open(candidate);
        if opened.is_ok() {
            break;
        }
    }
    opened
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the process before.
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // One socket for both families, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form() {
        for text in [":10094", "127.0.0.1:0", "[::1]:10094", "localhost:10094"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "10094", "::1:10094", "[::1]", "[x]:1", "localhost:port", ":65536"] {
            text.parse::<Address>().unwrap_err();
        }
    }

    #[tokio::test]
    async fn a_port_alone_listens_for_both_families() {
        let listeners = bind(&[":0".parse().unwrap()]).await.unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if listeners[0].local_addr().unwrap().is_ipv6() {
            tokio::net::TcpStream::connect(("::1", port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_handed_over_is_served() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listeners = adopt(vec![socket]).unwrap();
        let (accepted, connected) = tokio::join!(listeners[0].accept(), tokio::net::TcpStream::connect(address));
        assert_eq!(accepted.unwrap().1, connected.unwrap().local_addr().unwrap());
    }

    #[test]
    fn without_activation_there_is_a_clear_error() {
        let error = activated().unwrap_err().to_string();
        assert!(error.contains("LISTEN_FDS"), "{error}");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = bind(&[address.parse().unwrap()]).await.unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("in use"), "{error}");
    }
}
