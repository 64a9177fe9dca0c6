//! A [`Channel`] in a process that waits for many things at once.

use crate::channel::{self, Channel, Packet};
use crate::message::Wire;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdDatagram;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// One end of a channel, with tokio. The type is that of a datagram socket because tokio has none for
/// packets; only its readiness is used.
#[derive(Debug)]
pub struct Line(UnixDatagram);

impl Line {
    /// Within a runtime.
    ///
    /// # Errors
    /// The descriptor cannot be waited for.
    pub fn new(channel: Channel) -> std::io::Result<Line> {
        UnixDatagram::from_std(StdDatagram::from(OwnedFd::from(channel))).map(Line)
    }

    /// Sends a message; waits while the far end does not read.
    ///
    /// # Errors
    /// The far end is gone.
    pub async fn send(&self, message: &impl Wire, fd: Option<BorrowedFd<'_>>) -> std::io::Result<()> {
        let bytes = message.encode();
        let send = || channel::send(&self.0, &bytes, fd).map_err(Into::into);
        self.0.async_io(Interest::WRITABLE, send).await
    }

    /// The next packet; `None` when the far end is gone.
    pub async fn receive(&self) -> Option<Packet> {
        let receive = || channel::receive(&self.0).map_err(Into::into);
        self.0.async_io(Interest::READABLE, receive).await.ok().flatten()
    }
}
