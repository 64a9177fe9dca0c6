//! Datagrams whose answer has to come from the very address that was asked (`IP_PKTINFO`,
//! `IPV6_PKTINFO`; RFC 3542 §6). The standard library has no way to say it.

use super::linux::check;
use crate::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Who sent a datagram and to which address: what an answer needs.
#[derive(Clone, Copy)]
pub struct Asker {
    from: libc::sockaddr_storage,
    from_length: u32,
    control: Control,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asker")
    }
}

/// Room for a control message with an `in6_pktinfo` (20 bytes) or an `in_pktinfo` (12 bytes).
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    data: [u8; 24],
}

const HEADER: usize = 16;
const INFO_V6: usize = 20;
const INFO_V4: usize = 12;

impl Control {
    /// Turns what was received into what an answer is sent with: the interface is the kernel's choice,
    /// and the address asked is the source.
    fn turn(&mut self) -> bool {
        match (self.level, self.kind, self.length) {
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, n) if n == HEADER + INFO_V6 => {
                self.data[16..20].fill(0);
                true
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO, n) if n == HEADER + INFO_V4 => {
                self.data[..4].fill(0);
                self.data.copy_within(8..12, 4);
                true
            }
            _ => false,
        }
    }
}

/// Receives one datagram of a socket that reports its destinations; does not wait.
///
/// # Errors
/// The kernel's; `EPROTO` when it did not say where the datagram was sent to.
pub fn receive_question(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Asker), Errno> {
    let mut asker = Asker {
        // SAFETY: all-zero bytes are a valid sockaddr_storage.
        from: unsafe { std::mem::zeroed() },
        from_length: 0,
        control: Control::default(),
    };
    let mut iov = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut header = header(&mut iov, &mut asker);
    header.msg_namelen = std::mem::size_of::<libc::sockaddr_storage>() as u32;
    header.msg_controllen = std::mem::size_of::<Control>();
    // SAFETY: everything the header points to lives until the call returns.
    let got =
        check(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) } as i64)?;
    let length = header.msg_namelen;
    asker.from_length = length;
    if asker.control.turn() {
        Ok((got as usize, asker))
    } else {
        Err(Errno(libc::EPROTO))
    }
}

/// Answers one; does not wait.
///
/// # Errors
/// The kernel's.
pub fn send_answer(socket: BorrowedFd<'_>, to: &Asker, bytes: &[u8]) -> Result<(), Errno> {
    let mut to = *to;
    let mut iov = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut header = header(&mut iov, &mut to);
    header.msg_namelen = to.from_length;
    header.msg_controllen = to.control.length.next_multiple_of(8);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: everything the header points to lives until the call returns, and is only read.
    check(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) } as i64).map(drop)
}

fn header(iov: &mut libc::iovec, asker: &mut Asker) -> libc::msghdr {
    // SAFETY: all-zero bytes are a valid msghdr.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = (&raw mut asker.from).cast();
    header.msg_iov = iov;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut asker.control).cast();
    header
}
