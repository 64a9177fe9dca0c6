//! A client that was told of a proxy: it says where it wants to go, by `CONNECT`, in a URL or by SOCKS, and then the
//! same gate judges it as if it had dialled.

use crate::flow::refuse;
use crate::socks::{self, Reply};
use bytes::{Bytes, BytesMut};
use fumehood_destination::Destination;
use fumehood_http::h1::{Proxied, read_proxied, write_response};
use fumehood_http::{Denial, MAX_HEAD};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a client may take to say where it wants to go (A48).
const BEGIN: Duration = Duration::from_secs(10);
/// How long what a refused client still sends is read past, so that the answer is not lost by a reset.
const PAST: Duration = Duration::from_millis(500);

/// How a client came, and so in which words it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It dialled, and knows of no gate: what is refused is reset.
    Dialled,
    /// By `CONNECT`; whether of HTTP/1.0.
    Connect { is_old: bool },
    /// By a request whose URL says where. It may ask for another host with the next one, so the connection ends
    /// with this one.
    Url,
    /// By SOCKS.
    Socks,
}

/// A client whose destination is known.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Bytes for the other side that were read already.
    pub(crate) first: Bytes,
    pub(crate) manner: Manner,
}

impl Client {
    pub(crate) fn dialled(stream: TcpStream) -> Client {
        Client {
            stream,
            first: Bytes::new(),
            manner: Manner::Dialled,
        }
    }

    /// Says that it is connected; none if the client is gone.
    pub(crate) async fn admit(&mut self) -> Option<()> {
        let words: &[u8] = match self.manner {
            Manner::Dialled | Manner::Url => b"",
            Manner::Connect { is_old: false } => b"HTTP/1.1 200 Connection established\r\n\r\n",
            Manner::Connect { is_old: true } => b"HTTP/1.0 200 Connection established\r\n\r\n",
            Manner::Socks => &Reply::Succeeded.bytes(),
        };
        self.stream.write_all(words).await.ok()
    }

    /// Says why it is not, where there are words for it.
    pub(crate) async fn refuse(self, denial: &Denial) {
        let is_old = self.manner == Manner::Connect { is_old: true };
        match self.manner {
            Manner::Dialled => refuse(&self.stream),
            Manner::Connect { .. } | Manner::Url => {
                last_words(self.stream, &denied(denial, is_old)).await;
            }
            Manner::Socks => {
                let reply = match denial.status {
                    403 => Reply::NotAllowed,
                    502 => Reply::Unreachable,
                    _ => Reply::General,
                };
                last_words(self.stream, &reply.bytes()).await;
            }
        }
    }
}

fn denied(denial: &Denial, is_old: bool) -> Vec<u8> {
    let body = denial.body();
    let mut words = write_response(&denial.head(body.len()), "CONNECT", is_old, false);
    words.extend(body);
    words
}

async fn last_words(mut stream: TcpStream, words: &[u8]) {
    if stream.write_all(words).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let past = async {
        let mut piece = [0; 4096];
        while matches!(stream.read(&mut piece).await, Ok(n) if n > 0) {}
    };
    let _late = timeout(PAST, past).await;
}

/// Where a client wants to go; one that does not say so in time and in one meaning was answered.
pub(crate) async fn asked(stream: TcpStream) -> Option<(Destination, Client)> {
    let mut stream = stream;
    let mut buffer = BytesMut::with_capacity(1024);
    let read = timeout(BEGIN, read(&mut stream, &mut buffer)).await;
    let words = match read {
        Ok(Ok((to, manner))) => {
            let first = buffer.freeze();
            return Some((
                to,
                Client {
                    stream,
                    first,
                    manner,
                },
            ));
        }
        Ok(Err(Unread::Gone)) => return None,
        Ok(Err(Unread::Http(denial))) => denied(&denial, false),
        Ok(Err(Unread::Socks(words))) => words,
        Err(_) if buffer.first() == Some(&socks::VERSION) => Vec::new(),
        Err(_) => denied(
            &Denial::new(408, "the request's head was not complete in time"),
            false,
        ),
    };
    last_words(stream, &words).await;
    None
}

enum Unread {
    Gone,
    Http(Denial),
    Socks(Vec<u8>),
}

/// What is left in the buffer is for the other side.
async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(Destination, Manner), Unread> {
    more(stream, buffer).await?;
    if buffer.first() == Some(&socks::VERSION) {
        return by_socks(stream, buffer).await;
    }
    loop {
        match read_proxied(buffer) {
            Err(why) => return Err(Unread::Http(Denial::new(why.status(), why.to_string()))),
            Ok(None) => more(stream, buffer).await?,
            Ok(Some(Proxied::Request { to })) => return Ok((to, Manner::Url)),
            Ok(Some(Proxied::Connection { to, length, is_old })) => {
                drop(buffer.split_to(length));
                return Ok((to, Manner::Connect { is_old }));
            }
        }
    }
}

async fn by_socks(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(Destination, Manner), Unread> {
    let length = loop {
        match socks::greeting(buffer) {
            Some((true, length)) => break length,
            Some((false, _)) => return Err(Unread::Socks(socks::chosen(false).to_vec())),
            None => more(stream, buffer).await?,
        }
    };
    drop(buffer.split_to(length));
    let chosen = stream.write_all(&socks::chosen(true)).await;
    chosen.map_err(|_| Unread::Gone)?;
    loop {
        match socks::request(buffer) {
            Err(reply) => return Err(Unread::Socks(reply.bytes().to_vec())),
            Ok(None) => more(stream, buffer).await?,
            Ok(Some((to, length))) => {
                drop(buffer.split_to(length));
                return Ok((to, Manner::Socks));
            }
        }
    }
}

/// Reads on. The parsers bound what they wait for; what a client sends after that is taken no further than this.
async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(), Unread> {
    let room = (MAX_HEAD + 1).saturating_sub(buffer.len()).clamp(1, 4096);
    let mut piece = [0; 4096];
    let piece = piece.get_mut(..room).unwrap_or_default();
    match stream.read(piece).await {
        Ok(n) if n > 0 => {
            buffer.extend_from_slice(piece.get(..n).unwrap_or_default());
            Ok(())
        }
        _ => Err(Unread::Gone),
    }
}
