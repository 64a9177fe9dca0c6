//! A client of a database: TLS is ended here, and only whole messages go on to the broker.

use crate::flow::refuse;
use crate::http::{Inspector, Monitor, Rewind};
use crate::process::Gateway;
use crate::proxy::Client;
use fumehood_destination::Destination;
use fumehood_monitor::{FlowId, FromGateway};
use fumehood_postgres::{Greeting, HEADER, Header, MAX_MESSAGE, Out, greeting, header};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnix;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a client may take to begin.
const BEGIN: Duration = Duration::from_secs(30);
/// Bytes that are on their way at a time.
const PIECE: usize = 32 * 1024;

/// Serves a client to its end. How many bytes it sent and received.
pub(crate) async fn serve(
    inspector: Option<&Arc<Inspector<Monitor>>>,
    gateway: &Gateway,
    flow: FlowId,
    client: Client,
    (destination, most): (&Destination, Option<u64>),
) -> (u64, u64) {
    let Client {
        mut stream, first, ..
    } = client;
    let mut begun = Rewind::new(first, &mut stream);
    let mut bytes = (0, 0);
    let cut = gateway.cut_of(flow);
    let ended = tokio::select! {
        ended = run(inspector, gateway, flow, &mut begun, destination, (most.unwrap_or(u64::MAX), &mut bytes)) => ended,
        () = cut.notified() => Err(io::ErrorKind::ConnectionAborted.into()),
    };
    if ended.is_err() {
        refuse(&stream);
    }
    bytes
}

async fn run(
    inspector: Option<&Arc<Inspector<Monitor>>>,
    gateway: &Gateway,
    flow: FlowId,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    destination: &Destination,
    (most, bytes): (u64, &mut (u64, u64)),
) -> io::Result<()> {
    loop {
        let (found, first) = timeout(BEGIN, first(stream)).await.map_err(io::Error::other)??;
        match found {
            Greeting::Tls => {
                let config = inspector.and_then(|i| i.database(destination).ok());
                let Some(config) = config else {
                    stream.write_all(b"N").await?;
                    continue;
                };
                stream.write_all(b"S").await?;
                let accept = TlsAcceptor::from(config).accept(&mut *stream);
                let mut stream = timeout(BEGIN, accept).await.map_err(io::Error::other)??;
                let (found, first) = timeout(BEGIN, self::first(&mut stream))
                    .await
                    .map_err(io::Error::other)??;
                return match found {
                    Greeting::Tls | Greeting::Gss => Err(io::ErrorKind::InvalidData.into()),
                    Greeting::Cancel(..) | Greeting::Startup(_) => {
                        join(gateway, flow, stream, first, (most, bytes)).await
                    }
                };
            }
            Greeting::Gss => stream.write_all(b"N").await?,
            Greeting::Cancel(..) | Greeting::Startup(_) => {
                return join(gateway, flow, stream, first, (most, bytes)).await;
            }
        }
    }
}

/// The first packet, and nothing behind it: what a client sends before it has an answer could be somebody else's
/// (CVE-2021-23214).
async fn first(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<(Greeting, Vec<u8>)> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes).await?;
    let length = bytes
        .first_chunk::<4>()
        .map_or(0, |l| u32::from_be_bytes(*l) as usize);
    if (8..=fumehood_postgres::MAX_STARTUP).contains(&length) {
        bytes.resize(length, 0);
        stream.read_exact(bytes.get_mut(4..).unwrap_or_default()).await?;
    }
    match greeting(&bytes) {
        Ok(Some((found, _))) => Ok((found, bytes)),
        Ok(None) => Err(io::ErrorKind::InvalidData.into()),
        Err(why) => {
            let mut out = Out::default();
            out.report(b'E', "FATAL", "08P01", &[(b'M', &format!("fumehood: {why}"))]);
            stream.write_all(&out.0).await?;
            stream.shutdown().await?;
            Err(io::Error::other(why))
        }
    }
}

async fn join<S: AsyncRead + AsyncWrite + Unpin>(
    gateway: &Gateway,
    flow: FlowId,
    stream: S,
    first: Vec<u8>,
    (most, bytes): (u64, &mut (u64, u64)),
) -> io::Result<()> {
    let (ours, theirs) = StdUnix::pair()?;
    let message = FromGateway::Database { flow };
    gateway.monitor.send(&message, Some(theirs.as_fd())).await?;
    drop(theirs);
    ours.set_nonblocking(true)?;
    let (mut from_broker, mut to_broker) = UnixStream::from_std(ours)?.into_split();
    let (mut from_client, mut to_client) = split(stream);
    let (sent, received) = bytes;
    *sent += first.len() as u64;
    to_broker.write_all(&first).await?;
    let out = async {
        outward(&mut from_client, &mut to_broker, most, sent).await?;
        to_broker.shutdown().await
    };
    let back = async {
        let mut buffer = vec![0; PIECE];
        loop {
            let n = from_broker.read(&mut buffer).await?;
            if n == 0 {
                return to_client.shutdown().await;
            }
            to_client.write_all(buffer.get(..n).unwrap_or_default()).await?;
            to_client.flush().await?;
            *received += n as u64;
        }
    };
    tokio::pin!(out, back);
    tokio::select! {
        // Whoever has sent everything may still be answered.
        ended = &mut out => {
            ended?;
            back.await
        }
        ended = &mut back => ended,
    }
}

/// Whole messages, or as much of a long one as is there, once its header was looked at.
async fn outward(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    most: u64,
    sent: &mut u64,
) -> io::Result<()> {
    let mut buffer = bytes::BytesMut::with_capacity(PIECE);
    // What of the last message is still to come.
    let mut rest = 0usize;
    loop {
        buffer.reserve(PIECE);
        if from.read_buf(&mut buffer).await? == 0 {
            return if rest == 0 && buffer.is_empty() {
                Ok(())
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        let mut ready = 0usize;
        loop {
            let now = rest.min(buffer.len() - ready);
            (ready, rest) = (ready + now, rest - now);
            if rest > 0 || buffer.len() - ready < HEADER {
                break;
            }
            let seen = buffer.get(ready..).unwrap_or_default();
            let Some(Header { length, .. }) = header(seen, MAX_MESSAGE).map_err(io::Error::other)? else {
                break;
            };
            rest = length;
        }
        *sent += ready as u64;
        if *sent > most {
            return Err(io::Error::other("more wanted to leave than may"));
        }
        to.write_all(&buffer.split_to(ready)).await?;
    }
}
