//! Packets between the supervisor and the first process of a sandbox, over a socket pair.

use super::linux::{check, check_int};
use crate::errno::Errno;
use crate::kernel::{Fd, Result};
use std::os::fd::{FromRawFd, OwnedFd};

/// The longest packet: a kind and two words.
pub(crate) const PACKET: usize = 12;

/// The packet that carries the terminal's master descriptor.
const TERMINAL: [u8; PACKET] = [b't', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A connected pair that keeps packet boundaries; both ends close on exec.
pub(crate) fn packet_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut pair = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for two descriptors.
    check_int(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
    // SAFETY: the kernel opened it for us alone.
    let first = unsafe { OwnedFd::from_raw_fd(pair[0]) };
    // SAFETY: as above.
    let second = unsafe { OwnedFd::from_raw_fd(pair[1]) };
    Ok((first, second))
}

/// Sends one packet. A closed far end is an error, never a signal.
pub(crate) fn send(over: Fd, packet: &[u8; PACKET]) -> Result<()> {
    // SAFETY: the pointer and length describe `packet`.
    let sent = unsafe { libc::send(over.0, packet.as_ptr().cast(), packet.len(), libc::MSG_NOSIGNAL) };
    check(sent as i64).map(drop)
}

/// Room for one descriptor in a control message, aligned as `struct cmsghdr`.
#[repr(C, align(8))]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    fd: i32,
    padding: i32,
}

const CONTROL_WITH_FD: usize = 20; // CMSG_LEN(sizeof(int)) on 64-bit

fn header(iov: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: all-zero bytes are a valid msghdr.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = iov;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut *control).cast();
    header.msg_controllen = std::mem::size_of::<Control>();
    header
}

/// Sends a packet with a descriptor.
pub(crate) fn send_with_fd(over: Fd, packet: &[u8; PACKET], fd: Fd) -> Result<()> {
    let mut bytes = *packet;
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: PACKET,
    };
    let mut control = Control {
        length: CONTROL_WITH_FD,
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        fd: fd.0,
        padding: 0,
    };
    let header = header(&mut iov, &mut control);
    // SAFETY: everything the header points to lives until the call returns.
    check(unsafe { libc::sendmsg(over.0, &raw const header, libc::MSG_NOSIGNAL) } as i64).map(drop)
}

/// The packet that carries the listener of the system call filter.
const LISTENER: [u8; PACKET] = [b'l', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

pub(super) fn send_listener(over: Fd, listener: Fd) -> Result<()> {
    send_with_fd(over, &LISTENER, listener)
}

/// The packet that carries the top of an overlay.
const VIEW: [u8; PACKET] = [b'v', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

pub(super) fn send_view(over: Fd, top: Fd) -> Result<()> {
    send_with_fd(over, &VIEW, top)
}

pub(super) fn send_terminal(over: Fd, master: Fd) -> Result<()> {
    send_with_fd(over, &TERMINAL, master)
}

/// Receives one packet and the descriptor that came with it; `None` at the end of the stream.
/// Interrupted calls are made again; a packet of the wrong size is an error.
pub(crate) fn receive(over: Fd, flags: i32) -> Result<Option<([u8; PACKET], Option<OwnedFd>)>> {
    let mut bytes = [0u8; PACKET];
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: PACKET,
    };
    let mut control = Control {
        length: 0,
        level: 0,
        kind: 0,
        fd: -1,
        padding: 0,
    };
    let mut header = header(&mut iov, &mut control);
    let got = loop {
        // SAFETY: everything the header points to lives until the call returns.
        match check(unsafe { libc::recvmsg(over.0, &raw mut header, libc::MSG_CMSG_CLOEXEC | flags) } as i64)
        {
            // A far end that was closed with a packet of ours unread: this error comes once, before
            // the packets it had sent, its last word among them (unix(7); af_unix.c).
            Err(Errno::INTR | Errno(libc::ECONNRESET)) => {}
            other => break other?,
        }
    };
    let has_fd = control.kind == libc::SCM_RIGHTS && control.length == CONTROL_WITH_FD && control.fd >= 0;
    // SAFETY: the kernel installed this descriptor for us alone.
    let fd = has_fd.then(|| unsafe { OwnedFd::from_raw_fd(control.fd) });
    match got {
        0 => Ok(None),
        n if n as usize == PACKET => Ok(Some((bytes, fd))),
        _ => Err(Errno(libc::EPROTO)),
    }
}
