//! `healthcheck`: asks a running exporter whether it is alive, for images that have no other program.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use exporter_toolkit::web::listen::Address;

use super::{Failure, Outcome};
use crate::cli::Healthcheck;

/// Limit of the whole question, from the connection to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than a health page has. What else may listen there is not worth reading.
const LARGEST_ANSWER: usize = 4096;

pub(super) fn run(flags: &Healthcheck) -> Outcome {
    let Some(address) = flags.address() else {
        return Err(Failure::configuration("there is no address to ask"));
    };
    let unhealthy = |problem: String| Failure::running(format!("not healthy: {problem}"));
    let candidates = candidates(address, TIMEOUT).map_err(unhealthy)?;
    let mut outcome = Err(format!("{address} has no address"));
    for candidate in candidates {
        outcome = alive(reachable(candidate), TIMEOUT);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(unhealthy)
}

/// What `address` stands for. A name server that is silent is waited for by a thread of its own, which ends with the process.
fn candidates(address: &Address, timeout: Duration) -> Result<Vec<SocketAddr>, String> {
    let (tell, told) = mpsc::channel();
    let asked = address.clone();
    // Nobody listens any more when it comes too late.
    let ask = thread::Builder::new().spawn(move || tell.send(asked.candidates()));
    let found = ask
        .map_err(|error| error.to_string())
        .and_then(|_| told.recv_timeout(timeout).map_err(|_| format!("the name server was silent for {timeout:?}")));
    found.and_then(|found| found.map_err(|error| error.to_string())).map_err(|problem| format!("{address}: {problem}"))
}

/// What listens on every address is asked on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: IpAddr = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}

/// Asks for `/healthz`, in plain HTTP. One request to the own machine needs neither a runtime nor a client with TLS,
/// whose set-up would cost more than the question.
fn alive(address: SocketAddr, timeout: Duration) -> Result<(), String> {
    let answer = ask(address, timeout).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("{address} does not answer: it was silent for {timeout:?}, though something listens there")
        }
        _ => format!("{address} does not answer: {error}"),
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    match status.and_then(|digits| digits.parse::<u16>().ok()) {
        Some(200) => Ok(()),
        Some(401 | 403) => Err(format!(
            "{address} wants credentials; give the exporter and this check a listener of their own by --web.probe-listen-address"
        )),
        Some(503) => Err(body.trim().to_owned()),
        // What the exporter says there to whoever speaks plain HTTP.
        Some(400) if body.contains("HTTPS") => Err(needs_probes(address)),
        Some(status) => Err(format!("{address} answers {status}")),
        None => Err(needs_probes(address)),
    }
}

fn needs_probes(address: SocketAddr) -> String {
    format!(
        "{address} does not speak plain HTTP; with TLS, give the exporter and this check a listener of their own by \
         --web.probe-listen-address"
    )
}

fn ask(address: SocketAddr, timeout: Duration) -> io::Result<String> {
    let deadline = Instant::now() + timeout;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; LARGEST_ANSWER];
    while answer.len() < LARGEST_ANSWER {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Asks somebody who answers like this.
    fn asked(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let outcome = alive(address, TIMEOUT);
        assert!(peer.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\n"));
        outcome
    }

    #[test]
    fn only_200_is_healthy() {
        asked("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").unwrap();
        for answer in
            ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 2\r\n\r\n", "", "\n200"]
        {
            asked(answer).unwrap_err();
        }
    }

    #[test]
    fn a_failure_says_why_or_what_to_do() {
        let stalled = asked("HTTP/1.1 503 Service Unavailable\r\n\r\nno heartbeat for 60 s\n").unwrap_err();
        assert_eq!(stalled, "no heartbeat for 60 s");
        let https = "HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        for guarded in ["HTTP/1.1 401 Unauthorized\r\n\r\n", https, "\u{15}\u{3}\u{3}"] {
            let problem = asked(guarded).unwrap_err();
            assert!(problem.contains("--web.probe-listen-address"), "{problem}");
        }
    }

    #[test]
    fn nobody_there_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let problem = alive(address, TIMEOUT).unwrap_err();
        assert!(problem.contains("does not answer"), "{problem}");
    }

    #[test]
    fn a_silent_listener_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let problem = alive(listener.local_addr().unwrap(), Duration::from_millis(10)).unwrap_err();
        assert!(problem.contains("does not answer: it was silent for 10ms"), "{problem}");
        assert!(!problem.contains("unavailable"), "{problem}");
    }

    #[test]
    fn every_address_means_loopback_of_its_family() {
        for (listened, asked) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")] {
            assert_eq!(reachable(listened.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
