//! A connection of a client of one of our own servers on this machine: bytes with deadlines, and whether the client is still there.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What a message has to arrive in, and one write to be taken in.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may rest between two requests.
const REST: Duration = Duration::from_secs(120);
/// What is read of what a refused client still sends.
const DREGS: usize = 2 * 1024 * 1024;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

pub(crate) struct Connection {
    stream: Stream,
    /// What was read and is not used.
    pub(crate) buffer: Vec<u8>,
    deadline: Instant,
}

/// Why there is no request.
pub(crate) enum End {
    /// The client went, or took too long.
    Gone,
    /// To answer with these bytes, and then to end.
    Refused(Vec<u8>),
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> End {
        End::Gone
    }
}

impl Connection {
    pub(crate) fn tcp(stream: TcpStream) -> std::io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection::of(Stream::Tcp(stream)))
    }

    pub(crate) fn unix(stream: UnixStream) -> std::io::Result<Connection> {
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection::of(Stream::Unix(stream)))
    }

    fn of(stream: Stream) -> Connection {
        Connection {
            stream,
            buffer: Vec::new(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(s) => s.as_fd(),
            Stream::Unix(s) => s.as_fd(),
        }
    }

    /// A request is to begin.
    pub(crate) fn rest(&mut self) {
        self.deadline = Instant::now() + REST;
    }

    /// A request has begun: all of it is to be there soon.
    pub(crate) fn begun(&mut self) {
        self.deadline = self.deadline.min(Instant::now() + PATIENCE);
    }

    /// Reads more into the buffer.
    pub(crate) fn fill(&mut self) -> Result<(), End> {
        if !self.readable()? {
            return Err(End::Gone);
        }
        let mut some = [0; 16 * 1024];
        let got = match &mut self.stream {
            Stream::Tcp(s) => s.read(&mut some),
            Stream::Unix(s) => s.read(&mut some),
        };
        match got {
            Ok(0) => Err(End::Gone),
            Ok(n) => {
                self.buffer.extend_from_slice(&some[..n]);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Waits for bytes; false at the deadline.
    fn readable(&self) -> std::io::Result<bool> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?;
            let mut one = [PollFd::from_borrowed_fd(self.fd(), PollFlags::IN)];
            match poll(&mut one, Some(&left)) {
                Ok(n) => return Ok(n > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(s) => s.write_all(bytes),
            Stream::Unix(s) => s.write_all(bytes),
        }
    }

    /// Answers, and ends so that the answer arrives: a socket that is closed with bytes unread takes it back.
    pub(crate) fn last(&mut self, answer: &[u8]) -> Result<(), End> {
        self.write(answer)?;
        match &self.stream {
            Stream::Tcp(s) => s.shutdown(Shutdown::Write)?,
            Stream::Unix(s) => s.shutdown(Shutdown::Write)?,
        }
        self.deadline = Instant::now() + Duration::from_secs(2);
        let mut dregs = 0;
        while dregs < DREGS {
            self.buffer.clear();
            self.fill()?;
            dregs += self.buffer.len();
        }
        Ok(())
    }
}
