//! A connection that is read: with TLS or without, in HTTP/1 or HTTP/2.

use super::judge::Judge;
use super::lanes::Lanes;
use super::rewind::Rewind;
use super::tls::{self, Tls};
use super::{one, two};
use bytes::BytesMut;
use fumehood_authority::{Authority, AuthorityError, Leaves};
use fumehood_destination::Destination;
use fumehood_http::{ClientHello, HelloError, Scheme};
use fumehood_policy::value::HostName;
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

/// How long the first bytes and the handshake may take together (A7, A48).
const BEGIN: Duration = Duration::from_secs(10);

/// Requests at a time, of all connections; further ones wait. Each has a lane, and with it descriptors here and in
/// the broker.
const REQUESTS: usize = 256;

/// Long bodies that are here at a time, to be judged and while they wait; further ones wait for their turn.
const LONG: usize = 4;
/// A body beyond this is long.
pub(crate) const SHORT_BODY: u64 = 64 * 1024;

/// What connections of a session share.
#[derive(Debug)]
pub struct Inspector<J> {
    pub(crate) judge: Arc<J>,
    pub(crate) lanes: Lanes,
    pub(crate) room: Semaphore,
    pub(crate) long: Semaphore,
    tls: Tls,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself; whatever was wrong with its requests was answered.
    Served,
    /// The client sent nothing in time: perhaps it waits for the server's first words.
    Silent,
    /// What it sent first is not HTTP; it was told so.
    NotHttp,
    /// The client did not begin in time, or its handshake broke off.
    Unfinished,
    /// What begins like TLS is none.
    Hello(HelloError),
    /// The ClientHello names another host.
    OtherName,
    /// The client does not trust the session's authority.
    Untrusted,
    /// No certificate could be made.
    NoCertificate,
}

impl<J: Judge> Inspector<J> {
    /// Room for a body of this length, to be kept until its request is over.
    pub(crate) async fn room_for(&self, most: u64) -> Option<SemaphorePermit<'_>> {
        if most <= SHORT_BODY {
            return None;
        }
        self.long.acquire().await.ok()
    }

    /// With a session's authority.
    ///
    /// # Errors
    /// Its certificates cannot be used.
    pub fn new(judge: Arc<J>, authority: Authority) -> Result<Inspector<J>, AuthorityError> {
        let tls = Tls::new(Leaves::new(authority)?)?;
        Ok(Inspector {
            judge,
            lanes: Lanes::default(),
            room: Semaphore::new(REQUESTS),
            long: Semaphore::new(LONG),
            tls,
        })
    }

    /// What a client of a database is shown, which speaks of no protocol of the web.
    pub(crate) fn database(&self, destination: &Destination) -> Result<Arc<ServerConfig>, AuthorityError> {
        self.tls.database(destination)
    }

    /// Serves a connection to its end.
    pub async fn serve<S>(self: &Arc<Self>, stream: S, destination: &Destination) -> Ended
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let deadline = Instant::now() + BEGIN;
        let mut stream = stream;
        let mut bytes = BytesMut::with_capacity(4096);
        let first = match timeout_at(deadline, first_bytes(&mut stream, &mut bytes)).await {
            Ok(Some(first)) => first,
            Err(_) if bytes.is_empty() => return Ended::Silent,
            Ok(None) | Err(_) => return Ended::Unfinished,
        };
        let begins = bytes.freeze();
        match first {
            First::Other => {
                one::serve(
                    self,
                    Rewind::new(begins, stream),
                    (Scheme::Http, true),
                    destination,
                )
                .await
            }
            First::Hello(Err(why)) => Ended::Hello(why),
            First::Hello(Ok(hello)) => match name(&hello, destination) {
                Ok(has_name) => {
                    self.terminate(Rewind::new(begins, stream), destination, has_name, deadline)
                        .await
                }
                Err(why) => {
                    let _gone = timeout(Duration::from_secs(1), stream.write_all(UNRECOGNIZED_NAME)).await;
                    why
                }
            },
        }
    }

    /// Serves one request of a client that was told of a proxy, and ends the connection: its next request may be for
    /// another host.
    pub async fn serve_one<S>(self: &Arc<Self>, stream: S, destination: &Destination) -> Ended
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        one::serve(self, stream, (Scheme::Http, false), destination).await
    }

    async fn terminate<S>(
        self: &Arc<Self>,
        stream: S,
        destination: &Destination,
        has_name: bool,
        deadline: Instant,
    ) -> Ended
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let Ok(config) = self.tls.config(destination, has_name) else {
            return Ended::NoCertificate;
        };
        let stream = match timeout_at(deadline, TlsAcceptor::from(config).accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if tls::is_untrusted(&error) => return Ended::Untrusted,
            _ => return Ended::Unfinished,
        };
        let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if is_two {
            two::serve(self, stream, Scheme::Https, destination).await;
            Ended::Served
        } else {
            one::serve(self, stream, (Scheme::Https, true), destination).await
        }
    }
}

/// A fatal alert (RFC 8446 §6), so that the client knows that it is the name.
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// Whether the client named its host; it must be the one the connection was made to (A1, A4, A5). An
/// encrypted name within does not matter here: it is never decrypted, and what is sent goes to the
/// destination.
fn name(hello: &ClientHello, destination: &Destination) -> Result<bool, Ended> {
    match (&hello.server_name, &destination.host) {
        (None, _) => Ok(false),
        // Some clients name the address, against RFC 6066 §3.
        (Some(named), host) if named == host => Ok(!matches!(host, HostName::Address(_))),
        (Some(_), _) => Err(Ended::OtherName),
    }
}

enum First {
    /// No TLS.
    Other,
    /// A greeting, or what begins like one.
    Hello(Result<ClientHello, HelloError>),
}

/// Reads until it is known what the connection is; none if it ends before.
async fn first_bytes(stream: &mut (impl AsyncRead + Unpin), bytes: &mut BytesMut) -> Option<First> {
    loop {
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
        match ClientHello::read(bytes) {
            Ok(None) => bytes.reserve(4096),
            Err(HelloError::NotTls) => return Some(First::Other),
            Err(why) => return Some(First::Hello(Err(why))),
            Ok(Some(hello)) => return Some(First::Hello(Ok(hello))),
        }
    }
}
