//! What the operating system says against a connection: in its own words, and what to do where the cause is on this
//! machine.
//!
//! The kinds of the standard library are no help here: whatever it has no kind for is an "uncategorized error" to it, and
//! that is just what happens to machines that run out of something.

use std::error::Error as StdError;
use std::fs::File;
use std::io;

use rustix::io::Errno;

/// A cause on this machine, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) words: &'static str,
    pub(super) hint: &'static str,
}

impl Local {
    /// What an error says of files and connections, which share one limit, when there is none left.
    pub(super) fn of_files(error: &io::Error) -> Option<Self> {
        match Errno::from_raw_os_error(error.raw_os_error()?) {
            Errno::MFILE => Some(Self {
                words: "the exporter has too many files and connections open (EMFILE)",
                hint: "raise its limit of open files: `LimitNOFILE=` of the systemd unit, `ulimit -n`, `--ulimit nofile=` of the \
                       container",
            }),
            Errno::NFILE => Some(Self {
                words: "this machine has too many files and connections open (ENFILE)",
                hint: "look for what holds them (`lsof`), or raise fs.file-max (`sysctl`)",
            }),
            _ => None,
        }
    }

    /// What an error of a connection says of this machine, if it is about this machine.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        let local = |words, hint| Some(Self { words, hint });
        match Errno::from_raw_os_error(error.raw_os_error()?) {
            Errno::NOBUFS | Errno::NOMEM => local(
                "this machine has no memory left for another connection (ENOBUFS, ENOMEM)",
                "look at its memory and at net.ipv4.tcp_mem (`sysctl`), and for what holds so many connections (`ss -s`)",
            ),
            Errno::ADDRNOTAVAIL => local(
                "this machine has no address or port left to connect from (EADDRNOTAVAIL)",
                "look for what holds so many connections (`ss -s`), and at net.ipv4.ip_local_port_range; or the service has an \
                 IPv6 address, and this machine has none",
            ),
            Errno::AFNOSUPPORT => local(
                "this machine, or what confines the exporter, does not allow this kind of address (EAFNOSUPPORT)",
                "look whether IPv6 is off here, and at `RestrictAddressFamilies=` of the systemd unit",
            ),
            Errno::ACCESS | Errno::PERM => local(
                "the connection is forbidden (EACCES, EPERM)",
                "look at the firewalls, that of this machine first, and at what confines the exporter: `IPAddressDeny=` of the \
                 systemd unit, SELinux, a network policy",
            ),
            Errno::NETUNREACH => local(
                "there is no route to the address (ENETUNREACH)",
                "look at the routes of this machine (`ip route`), and whether its network is up; or the service has an IPv6 \
                 address, and this machine has none",
            ),
            Errno::NETDOWN => {
                local("the network of this machine is down (ENETDOWN)", "look at its interfaces (`ip link`)")
            }
            _ => Self::of_files(error),
        }
    }

    /// Why a name could not be looked up, if that is because this machine has no file left to do it with. The C library
    /// keeps its reason to itself, so it is asked for one file more.
    pub(super) fn of_lookup(found: Option<&io::Error>) -> Option<Self> {
        let spare = File::open("/dev/null").err();
        found.and_then(Self::of).or_else(|| Self::of_files(spare.as_ref()?))
    }
}

/// What the system says, below whatever libraries have wrapped around it.
pub(super) fn error<'a>(mut errors: impl Iterator<Item = &'a (dyn StdError + 'static)>) -> Option<&'a io::Error> {
    errors.find_map(|error| error.downcast_ref::<io::Error>().filter(|error| error.raw_os_error().is_some()))
}

/// An error in the system's own words, such as "connection refused"; those of a library where it is none of the system's.
pub(super) fn words(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        // It is said with the number of the error behind it.
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    };
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_the_system_is_uncategorized() {
        for code in 1..134 {
            let error = io::Error::from_raw_os_error(code);
            let words = words(&error);
            assert!(
                !words.contains("uncategorized") && !words.contains("os error") && words.len() > 4,
                "{code}: {words}"
            );
        }
        assert_eq!(words(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(words(&io::ErrorKind::UnexpectedEof.into()), "unexpected end of file");
    }

    #[test]
    fn what_is_the_matter_here_is_told_from_what_is_elsewhere() {
        let of = |errno: Errno| Local::of(&io::Error::from_raw_os_error(errno.raw_os_error()));
        for (errno, words, hint) in [
            (Errno::MFILE, "too many files", "LimitNOFILE"),
            (Errno::NFILE, "too many files", "fs.file-max"),
            (Errno::NOBUFS, "no memory", "tcp_mem"),
            (Errno::ADDRNOTAVAIL, "no address or port", "ip_local_port_range"),
            (Errno::AFNOSUPPORT, "kind of address", "RestrictAddressFamilies"),
            (Errno::PERM, "forbidden", "IPAddressDeny"),
            (Errno::NETUNREACH, "no route", "ip route"),
        ] {
            let local = of(errno).unwrap();
            assert!(local.words.contains(words) && local.hint.contains(hint), "{local:?}");
        }
        for errno in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::TIMEDOUT, Errno::PIPE] {
            assert_eq!(of(errno), None);
        }
        assert_eq!(Local::of(&io::Error::other("a library")), None);
    }
}
