//! Packets with at most one descriptor, over a socket pair that keeps their boundaries.

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The longest packet, bytes: the head of a request and what is known of it.
pub const MAX_PACKET: usize = 96 * 1024;

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// What was received.
#[derive(Debug)]
pub struct Packet {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The descriptor that came with them.
    pub fd: Option<OwnedFd>,
}

/// Two connected ends, both closed on exec, neither waiting.
///
/// # Errors
/// `socketpair(2)` failed.
pub fn pair() -> Result<(Channel, Channel), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (one, two) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok((Channel(one), Channel(two)))
}

impl Channel {
    /// Sends one packet.
    ///
    /// # Errors
    /// `AGAIN` where the far end does not read, `PIPE` where there is none, `MSGSIZE` beyond [`MAX_PACKET`].
    pub fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
        send(&self.0, bytes, fd)
    }

    /// Receives one packet; `None` when the far end is gone.
    ///
    /// # Errors
    /// `AGAIN` where there is none, `MSGSIZE` for one beyond [`MAX_PACKET`].
    pub fn receive(&self) -> Result<Option<Packet>, Errno> {
        receive(&self.0)
    }
}

pub(crate) fn send(over: impl AsFd, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    if bytes.len() > MAX_PACKET {
        return Err(Errno::MSGSIZE);
    }
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    let fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    sendmsg(over, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).map(drop)
}

pub(crate) fn receive(over: impl AsFd) -> Result<Option<Packet>, Errno> {
    let look = RecvFlags::PEEK | RecvFlags::TRUNC;
    let (_, length) = recv(&over, &mut [0u8; 1], look)?;
    let mut bytes = vec![0; length.min(MAX_PACKET)];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let got = recvmsg(&over, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(Errno::MSGSIZE);
    }
    bytes.truncate(got.bytes);
    Ok((got.bytes > 0).then_some(Packet { bytes, fd }))
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    /// A connected socket of packets that does not wait.
    fn from(fd: OwnedFd) -> Channel {
        Channel(fd)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> OwnedFd {
        channel.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_keep_their_bounds_and_their_descriptor() {
        let (one, two) = pair().unwrap();
        let (pipe, _write) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        one.send(b"first", Some(pipe.as_fd())).unwrap();
        one.send(&[7; MAX_PACKET], None).unwrap();
        let first = two.receive().unwrap().unwrap();
        assert_eq!(
            (first.bytes.as_slice(), first.fd.is_some()),
            (&b"first"[..], true)
        );
        assert_eq!(two.receive().unwrap().unwrap().bytes.len(), MAX_PACKET);
        assert_eq!(two.receive().unwrap_err(), Errno::AGAIN);
        assert_eq!(one.send(&[7; MAX_PACKET + 1], None), Err(Errno::MSGSIZE));
        drop(one);
        assert!(two.receive().unwrap().is_none());
        assert_eq!(two.send(b"x", None), Err(Errno::PIPE));
    }
}
