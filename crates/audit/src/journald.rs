//! The system journal, where there is one: a place that this account cannot rewrite. Each head of the account's index
//! goes there, so that `journalctl -t fumehood -o cat` gives what `audit verify --against` takes.
//!
//! The protocol is the journal's own (systemd, docs/JOURNAL_NATIVE_PROTOCOL.md): one datagram a message.

use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const SOCKET: &str = "/run/systemd/journal/socket";

/// A way to the system journal.
#[derive(Debug)]
pub struct SystemJournal(OwnedFd);

impl SystemJournal {
    /// The journal of this machine, if it has one.
    #[must_use]
    pub fn open() -> Option<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
        connect(&socket, &SocketAddrUnix::new(SOCKET).ok()?).ok()?;
        Some(Self(socket))
    }

    /// Its socket, for a process that keeps some and closes all others.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Tells it a signed head. A journal that does not take it is one that is not there.
    pub fn tell(&self, note: &str) {
        let _nobody_there = send(&self.0, &message(note), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

/// A text of several lines has its length before it, least significant byte first.
fn message(note: &str) -> Vec<u8> {
    let mut lines = note.lines();
    let (origin, size) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut out = b"MESSAGE\n".to_vec();
    out.extend_from_slice(&(note.len() as u64).to_le_bytes());
    out.extend_from_slice(note.as_bytes());
    out.extend_from_slice(b"\nPRIORITY=6\nSYSLOG_IDENTIFIER=fumehood\n");
    out.extend_from_slice(format!("FUMEHOOD_ORIGIN={origin}\nFUMEHOOD_SIZE={size}\n").as_bytes());
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_head_is_one_message_of_the_native_protocol() {
        let note = "log\n7\nroot\n\n\u{2014} log sig\n";
        let message = super::message(note);
        let rest = message.strip_prefix(b"MESSAGE\n").unwrap();
        let (length, rest) = rest.split_at(8);
        assert_eq!(u64::from_le_bytes(length.try_into().unwrap()), note.len() as u64);
        let rest = rest.strip_prefix(note.as_bytes()).unwrap();
        let expected = "\nPRIORITY=6\nSYSLOG_IDENTIFIER=fumehood\nFUMEHOOD_ORIGIN=log\nFUMEHOOD_SIZE=7\n";
        assert_eq!(rest, expected.as_bytes());
    }
}
