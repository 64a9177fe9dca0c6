//! One side of a connection: messages in, bytes out.

use bytes::{Buf, BytesMut};
use fumehood_postgres::{Header, header};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};

/// Bytes read at a time.
const PIECE: usize = 32 * 1024;

/// The reading half.
#[derive(Debug)]
pub(crate) struct Incoming<S> {
    read: ReadHalf<S>,
    pub(crate) buffer: BytesMut,
}

/// The writing half.
#[derive(Debug)]
pub(crate) struct Outgoing<S> {
    write: WriteHalf<S>,
    pub(crate) out: Vec<u8>,
}

/// Both halves.
pub(crate) fn link<S: AsyncRead + AsyncWrite>(stream: S) -> (Incoming<S>, Outgoing<S>) {
    let (read, write) = split(stream);
    let buffer = BytesMut::new();
    (
        Incoming { read, buffer },
        Outgoing {
            write,
            out: Vec::new(),
        },
    )
}

impl<S: AsyncRead> Incoming<S> {
    /// More bytes; none at the end.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(PIECE);
        self.read.read_buf(&mut self.buffer).await
    }

    /// The next message's header, which may still lack its body.
    pub(crate) async fn header(&mut self, most: usize) -> io::Result<Header> {
        loop {
            if let Some(found) = header(&self.buffer, most).map_err(io::Error::other)? {
                return Ok(found);
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next message, whole.
    pub(crate) async fn message(&mut self, most: usize) -> io::Result<BytesMut> {
        let Header { length, .. } = self.header(most).await?;
        while self.buffer.len() < length {
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.split_to(length))
    }

    /// Passes the next `length` bytes on as they come.
    pub(crate) async fn pass<T: AsyncWrite>(
        &mut self,
        mut length: usize,
        to: &mut Outgoing<T>,
    ) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() && self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let now = length.min(self.buffer.len());
            to.out
                .extend_from_slice(self.buffer.get(..now).unwrap_or_default());
            self.buffer.advance(now);
            length -= now;
            if to.out.len() >= PIECE {
                to.flush().await?;
            }
        }
        Ok(())
    }

    /// Returns when the far end is gone; keeps what it says meanwhile, in bounds.
    pub(crate) async fn gone(&mut self, most: usize) {
        while self.buffer.len() < most {
            if !matches!(self.fill().await, Ok(n) if n > 0) {
                return;
            }
        }
        std::future::pending().await
    }
}

impl<S: AsyncWrite> Outgoing<S> {
    /// Sends what was written.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.write.write_all(&self.out).await?;
        self.out.clear();
        self.out.shrink_to(4 * PIECE);
        self.write.flush().await
    }
}
