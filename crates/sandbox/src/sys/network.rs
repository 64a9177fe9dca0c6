//! The network of a sandbox: netlink, and the sockets of the boundary.

use super::linux::{check, check_int};
use crate::errno::Errno;
use crate::kernel::{Fd, Result};
use crate::plan::GATE_PORT;
use crate::spec::{Socket, Way};
use std::ffi::c_void;

/// An `nlmsgerr` begins with the header (16 bytes) and the error.
const ANSWER: usize = 20;
const ERROR: u16 = 2; // NLMSG_ERROR: an acknowledgement has error 0

/// Sends requests of which the last, or the only one, is acknowledged; takes what the kernel says until
/// then. The first error counts.
pub(super) fn netlink(protocol: i32, requests: &[u8]) -> Result<()> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: integers only.
    let fd = Fd(check_int(unsafe {
        libc::socket(libc::AF_NETLINK, kind, protocol)
    })?);
    let done = ask(fd, requests);
    close(fd);
    done
}

fn ask(fd: Fd, requests: &[u8]) -> Result<()> {
    // SAFETY: the pointer and length describe `requests`; not connected, a netlink socket sends to the
    // kernel.
    check(unsafe { libc::send(fd.0, requests.as_ptr().cast(), requests.len(), 0) } as i64)?;
    // The kernel has answered before `send` returned; answers longer than this are cut.
    let mut answer = [0u8; 4096];
    // SAFETY: the pointer and length describe `answer`.
    let got = check(
        unsafe { libc::recv(fd.0, answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT) } as i64,
    )?;
    match answer.get(..got as usize).and_then(first_error) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno(errno)),
        None => Err(Errno(libc::EPROTO)),
    }
}

/// The error of the first answer of all.
fn first_error(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let error = i32::from_ne_bytes(answer.get(16..ANSWER)?.try_into().ok()?);
    (kind == ERROR).then_some(-error)
}

/// Makes a socket of the boundary: for IPv6 and IPv4 together, or for IPv4 where there is no other.
pub(super) fn boundary_socket(socket: Socket) -> Result<Fd> {
    let kind = match socket {
        Socket::Names => libc::SOCK_DGRAM,
        _ => libc::SOCK_STREAM,
    } | libc::SOCK_CLOEXEC
        | libc::SOCK_NONBLOCK;
    // SAFETY: integers only.
    let made = check_int(unsafe { libc::socket(libc::AF_INET6, kind, 0) });
    let (fd, v6) = match made {
        Ok(fd) => (fd, true),
        // SAFETY: integers only.
        Err(_) => (check_int(unsafe { libc::socket(libc::AF_INET, kind, 0) })?, false),
    };
    let fd = Fd(fd);
    set_up(fd, v6, socket).inspect_err(|_| close(fd))?;
    Ok(fd)
}

fn set_up(fd: Fd, v6: bool, socket: Socket) -> Result<()> {
    if v6 {
        option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
    }
    match socket {
        Socket::Inside => Ok(()),
        Socket::Names => {
            if v6 {
                option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
                // Answers come from the address that was asked, which no interface has.
                option(fd, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?;
            } else {
                option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            }
            bind(fd, v6, 53)
        }
        Socket::Gate(way) => {
            if way == Way::Transparent {
                option(fd, libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1)?;
                if v6 {
                    option(fd, libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1)?;
                }
            }
            listen(fd, v6, GATE_PORT)
        }
        Socket::Port(port) | Socket::Host(port) => listen(fd, v6, port),
    }
}

fn option(fd: Fd, level: i32, name: i32, value: i32) -> Result<()> {
    let size = std::mem::size_of::<i32>() as u32;
    let at: *const c_void = (&raw const value).cast();
    // SAFETY: the value and its size belong together and live until the call returns.
    check_int(unsafe { libc::setsockopt(fd.0, level, name, at, size) }).map(drop)
}

/// Binds the unspecified address: every one is local here.
fn bind(fd: Fd, v6: bool, port: u16) -> Result<()> {
    // SAFETY: all-zero bytes are a valid sockaddr_in6.
    let mut any6: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    any6.sin6_family = libc::AF_INET6 as u16;
    any6.sin6_port = port.to_be();
    // SAFETY: all-zero bytes are a valid sockaddr_in.
    let mut any4: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    any4.sin_family = libc::AF_INET as u16;
    any4.sin_port = port.to_be();
    let (address, size): (*const libc::sockaddr, usize) = if v6 {
        ((&raw const any6).cast(), std::mem::size_of_val(&any6))
    } else {
        ((&raw const any4).cast(), std::mem::size_of_val(&any4))
    };
    // SAFETY: the address and its size belong together and live until the call returns.
    check_int(unsafe { libc::bind(fd.0, address, size as u32) }).map(drop)
}

fn listen(fd: Fd, v6: bool, port: u16) -> Result<()> {
    bind(fd, v6, port)?;
    // SAFETY: integers only.
    check_int(unsafe { libc::listen(fd.0, 4096) }).map(drop)
}

fn close(fd: Fd) {
    // SAFETY: closing a descriptor of our own.
    unsafe { libc::close(fd.0) };
}
