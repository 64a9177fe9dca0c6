//! A lane: the socket pair on which gateway and broker pass one exchange at a time. Frames are those of
//! `fumehood_http`; here they meet the sockets.

use bytes::{Bytes, BytesMut};
use fumehood_http::{FRAME_HEADER, Frame, FrameKind};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes of a body that go into one frame at most: what a lane holds of a body at a time is a few of these.
pub const PIECE: usize = 64 * 1024;

/// One end of a lane. Its halves are used at the same time: a response may begin before its request has ended.
#[derive(Debug)]
pub struct Lane {
    /// What comes.
    pub reader: LaneReader,
    /// What goes.
    pub writer: LaneWriter,
}

/// A frame that came.
#[derive(Debug)]
pub struct Incoming {
    /// What it is.
    pub kind: FrameKind,
    /// What it carries.
    pub payload: Bytes,
}

/// The receiving half.
#[derive(Debug)]
pub struct LaneReader {
    stream: OwnedReadHalf,
    buffer: BytesMut,
}

/// The sending half.
#[derive(Debug)]
pub struct LaneWriter {
    stream: OwnedWriteHalf,
    buffer: Vec<u8>,
}

impl Lane {
    /// Over a connected stream.
    #[must_use]
    pub fn new(stream: UnixStream) -> Lane {
        let (reader, writer) = stream.into_split();
        Lane {
            reader: LaneReader {
                stream: reader,
                buffer: BytesMut::new(),
            },
            writer: LaneWriter {
                stream: writer,
                buffer: Vec::new(),
            },
        }
    }

    /// Over a descriptor that came from another process, within a runtime.
    ///
    /// # Errors
    /// It is no stream socket, or cannot be waited for.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Lane> {
        let stream = std::os::unix::net::UnixStream::from(fd);
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream).map(Lane::new)
    }

    /// Two ends.
    ///
    /// # Errors
    /// `socketpair(2)` failed.
    pub fn pair() -> io::Result<(Lane, Lane)> {
        let (one, two) = UnixStream::pair()?;
        Ok((Lane::new(one), Lane::new(two)))
    }
}

impl LaneReader {
    /// The next frame.
    ///
    /// # Errors
    /// The far end is gone, or what it sent is no frame: the lane is of no more use.
    pub async fn next(&mut self) -> io::Result<Incoming> {
        loop {
            let peeked = Frame::peek(&self.buffer).map_err(io::Error::other)?;
            if let Some((kind, length)) = peeked
                && self.buffer.len() >= FRAME_HEADER + length
            {
                let mut frame = self.buffer.split_to(FRAME_HEADER + length);
                let payload = frame.split_off(FRAME_HEADER).freeze();
                return Ok(Incoming { kind, payload });
            }
            let wanted = peeked.map_or(4096, |(_, length)| FRAME_HEADER + length - self.buffer.len());
            self.buffer.reserve(wanted.max(4096));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Returns when the far end is gone, or says something when nothing is to be said.
    pub async fn gone(&mut self) {
        if self.buffer.is_empty() {
            self.buffer.reserve(4096);
            let _either_way = self.stream.read_buf(&mut self.buffer).await;
        }
    }

    /// Whether a whole frame is there, so that [`LaneReader::next`] would not wait.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let whole = |(_, length)| self.buffer.len() >= FRAME_HEADER + length;
        Frame::peek(&self.buffer).is_ok_and(|peeked| peeked.is_some_and(whole))
    }

    /// Whether nothing is there: between exchanges, as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl LaneWriter {
    /// Writes a frame into the buffer, which [`LaneWriter::flush`] sends: what belongs together costs one call.
    pub fn put(&mut self, kind: FrameKind, payload: &[u8]) {
        Frame::write(kind, payload, &mut self.buffer);
    }

    /// Puts bytes of a body, cut where they are longer than a frame takes, and sends what has become much;
    /// waits while the far end does not read.
    ///
    /// # Errors
    /// The far end is gone.
    pub async fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            self.put(FrameKind::Data, piece);
            if self.buffer.len() >= PIECE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// The far end is gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        let result = self.stream.write_all(&self.buffer).await;
        self.buffer.clear();
        self.buffer.shrink_to(2 * PIECE);
        result
    }

    /// A frame, at once.
    ///
    /// # Errors
    /// The far end is gone.
    pub async fn send(&mut self, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
        self.put(kind, payload);
        self.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn frames_arrive_in_order_and_a_body_in_pieces() {
        run(async {
            let (mut one, mut two) = Lane::pair().unwrap();
            let body = vec![7; 3 * PIECE + 5];
            let sent = body.clone();
            let sending = tokio::spawn(async move {
                one.writer.put(FrameKind::Begin, &7u64.to_be_bytes());
                one.writer.data(&sent).await.unwrap();
                one.writer.send(FrameKind::End, b"").await.unwrap();
                one
            });
            let begin = two.reader.next().await.unwrap();
            assert_eq!((begin.kind, begin.payload.len()), (FrameKind::Begin, 8));
            let mut got = Vec::new();
            loop {
                let frame = two.reader.next().await.unwrap();
                match frame.kind {
                    FrameKind::Data => got.extend_from_slice(&frame.payload),
                    kind => break assert_eq!(kind, FrameKind::End),
                }
            }
            assert_eq!(got, body);
            drop(sending.await.unwrap());
            assert_eq!(
                two.reader.next().await.unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof
            );
        });
    }

    #[test]
    fn a_writer_waits_for_who_does_not_read() {
        run(async {
            let (mut one, _two) = Lane::pair().unwrap();
            let endless = vec![0; 64 << 20];
            let sent =
                tokio::time::timeout(std::time::Duration::from_millis(50), one.writer.data(&endless)).await;
            assert!(sent.is_err());
        });
    }
}
