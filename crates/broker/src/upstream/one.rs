//! An exchange over HTTP/1.

use super::connection::{Connection, Stream};
use super::custody::{Guards, Incoming, Outgoing};
use super::serve::Ended;
use super::up::{Piece, Up};
use bytes::BytesMut;
use fumehood_http::h1::{Decoder, Event, Received, chunk, last_chunk, read_response, write_request};
use fumehood_http::{Denial, Fields, FrameKind, Length, RequestHead, ResponseHead};
use fumehood_lane::{Lane, LaneReader, LaneWriter, PIECE};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::Notify;

/// What the two directions tell each other.
#[derive(Default)]
struct Shared {
    /// The response's head went up.
    begun: AtomicBool,
    /// The server agreed to an upgrade.
    agreed: Notify,
}

/// Runs one exchange; `put` takes the connection if it can be used again.
pub(crate) async fn run(
    lane: &mut Lane,
    head: &RequestHead,
    connection: Connection,
    up: &mut Up,
    guards: Guards,
    put: impl FnOnce(Connection),
) -> Result<Ended, Denial> {
    let Connection {
        stream, mut buffer, ..
    } = connection;
    let (mut read, mut write) = split(stream);
    let shared = Shared::default();
    let sent_whole = AtomicBool::new(false);
    let Guards {
        outgoing, incoming, ..
    } = guards;
    let sending = async {
        let sent = send(&mut write, head, up, &mut lane.reader, outgoing, &shared).await;
        match sent {
            Ok(()) => sent_whole.store(true, Ordering::Relaxed),
            // The server may have answered already, and that is what counts.
            Err(Unsent::Server) => std::future::pending().await,
            Err(why) => return why,
        }
        lane.reader.gone().await;
        Unsent::Lane
    };
    let mut receiving = Receiving {
        read: &mut read,
        buffer: &mut buffer,
        writer: &mut lane.writer,
        guard: incoming,
    };
    let received = tokio::select! {
        unsent = sending => Err(unsent),
        received = receiving.run(head, &shared) => Ok(received),
    };
    let begun = shared.begun.load(Ordering::Relaxed);
    match received {
        Err(Unsent::Denied(denial)) if !begun => Err(denial),
        Err(Unsent::Cut) if !begun => Err(Denial::new(400, "the request's body broke off")),
        Err(_) => Ok(Ended::Broken),
        Ok(Err(Unreceived::Bad(denial))) if !begun => Err(denial),
        Ok(Err(Unreceived::Nothing)) => Ok(Ended::Stale),
        Ok(Err(_)) => Ok(Ended::Broken),
        Ok(Ok(keep_alive)) => {
            let sent = sent_whole.into_inner();
            if keep_alive && sent {
                put(Connection {
                    stream: read.unsplit(write),
                    buffer,
                    idle: None,
                });
            }
            Ok(if sent { Ended::Whole } else { Ended::Broken })
        }
    }
}

enum Unsent {
    /// The gateway is gone.
    Lane,
    /// The client broke off.
    Cut,
    /// The server takes no more.
    Server,
    /// Not to be sent.
    Denied(Denial),
}

/// Writes a request, what belongs together in one piece.
async fn send(
    write: &mut WriteHalf<Stream>,
    head: &RequestHead,
    up: &mut Up,
    reader: &mut LaneReader,
    mut guard: Box<dyn Outgoing>,
    shared: &Shared,
) -> Result<(), Unsent> {
    let mut out = write_request(head);
    if head.upgrade {
        flush(write, &mut out).await?;
        // Nothing of another protocol before the server speaks it: it could be read as a second request.
        shared.agreed.notified().await;
    }
    let chunked = head.body == Length::Unknown && !head.upgrade;
    let mut left = match head.body {
        Length::Known(bytes) if !head.upgrade => Some(bytes),
        _ => None,
    };
    loop {
        if out.len() >= PIECE || !up.is_ready(reader) {
            flush(write, &mut out).await?;
        }
        let (data, ended) = match up.next(reader).await {
            Piece::Data(data) => (guard.data(data).map_err(Unsent::Denied)?, false),
            Piece::End(_) => (guard.end().map_err(Unsent::Denied)?, true),
            Piece::Cut => return Err(Unsent::Cut),
            Piece::Gone => return Err(Unsent::Lane),
        };
        if let Some(left) = &mut left {
            *left = left.checked_sub(data.len() as u64).ok_or(Unsent::Cut)?;
        }
        match (chunked, head.upgrade || left.is_some()) {
            (true, _) => chunk(&data, &mut out),
            (false, true) => out.extend_from_slice(&data),
            (false, false) if data.is_empty() => {}
            (false, false) => return Err(Unsent::Cut),
        }
        if ended {
            break;
        }
    }
    if left.is_some_and(|left| left > 0) {
        return Err(Unsent::Cut);
    }
    if chunked {
        last_chunk(&Fields::default(), &mut out);
    }
    flush(write, &mut out).await?;
    if head.upgrade {
        let _gone = write.shutdown().await;
    }
    Ok(())
}

async fn flush(write: &mut WriteHalf<Stream>, out: &mut Vec<u8>) -> Result<(), Unsent> {
    if out.is_empty() {
        return Ok(());
    }
    write.write_all(out).await.map_err(|_| Unsent::Server)?;
    out.clear();
    out.shrink_to(2 * PIECE);
    write.flush().await.map_err(|_| Unsent::Server)
}

enum Unreceived {
    /// The gateway is gone.
    Lane,
    /// The connection ended before a byte of the response.
    Nothing,
    /// What came is no response, or is not to be passed on.
    Bad(Denial),
}

struct Receiving<'a> {
    read: &'a mut ReadHalf<Stream>,
    buffer: &'a mut BytesMut,
    writer: &'a mut LaneWriter,
    guard: Box<dyn Incoming>,
}

impl Receiving<'_> {
    /// Passes a response up; whether the connection can be used again.
    async fn run(&mut self, request: &RequestHead, shared: &Shared) -> Result<bool, Unreceived> {
        let (received, framing) = self.head(request).await?;
        let upgraded = received.head.status == 101;
        self.writer.put(FrameKind::Head, &received.head.encode());
        shared.begun.store(true, Ordering::Relaxed);
        let decoder = match framing {
            _ if upgraded => {
                shared.agreed.notify_one();
                Decoder::to_the_end()
            }
            _ if request.method == "HEAD" => Decoder::known(0),
            Length::Empty => Decoder::known(0),
            Length::Known(bytes) => Decoder::known(bytes),
            Length::Unknown if received.is_chunked => Decoder::chunked(),
            Length::Unknown => Decoder::to_the_end(),
        };
        let mut trailers = self.body(decoder).await?;
        let rest = self.guard.end().map_err(Unreceived::Bad)?;
        self.pass(&rest).await?;
        if !trailers.is_empty() {
            self.guard.trailers(&mut trailers);
            let head = ResponseHead {
                status: 100,
                fields: trailers,
                body: Length::Empty,
            };
            self.writer.put(FrameKind::Trailers, &head.encode());
        }
        self.writer
            .send(FrameKind::End, b"")
            .await
            .map_err(|_| Unreceived::Lane)?;
        Ok(received.keep_alive && !upgraded && self.buffer.is_empty())
    }

    /// The final response's head and how long its body is on this connection; interim ones go up on the way.
    async fn head(&mut self, request: &RequestHead) -> Result<(Received, Length), Unreceived> {
        let mut interim = false;
        loop {
            let mut received = match self.one_head(request).await {
                // It has said something already, so it has the request.
                Err(Unreceived::Nothing) if interim => {
                    return Err(bad(request, "the connection ended before the response"));
                }
                received => received?,
            };
            let framing = received.head.body;
            self.guard.head(&mut received.head).map_err(Unreceived::Bad)?;
            if received.head.status == 101 && !request.upgrade {
                return Err(bad(
                    request,
                    "it changes to another protocol, which nobody asked for",
                ));
            }
            if !received.head.is_interim() {
                return Ok((received, framing));
            }
            interim = true;
            let payload = received.head.encode();
            self.writer
                .send(FrameKind::Interim, &payload)
                .await
                .map_err(|_| Unreceived::Lane)?;
        }
    }

    async fn one_head(&mut self, request: &RequestHead) -> Result<Received, Unreceived> {
        loop {
            match read_response(self.buffer, &request.method) {
                Ok(Some(received)) => {
                    drop(self.buffer.split_to(received.length));
                    return Ok(received);
                }
                Ok(None) => {}
                Err(why) => return Err(bad(request, &why.to_string())),
            }
            match self.fill().await {
                Ok(n) if n > 0 => {}
                _ if self.buffer.is_empty() => return Err(Unreceived::Nothing),
                _ => return Err(bad(request, "the connection ended within the response's head")),
            }
        }
    }

    async fn fill(&mut self) -> std::io::Result<usize> {
        self.buffer.reserve(16 * 1024);
        self.read.read_buf(self.buffer).await
    }

    async fn body(&mut self, mut decoder: Decoder) -> Result<Fields, Unreceived> {
        loop {
            let broken = |_| Unreceived::Lane;
            let (event, used) = decoder.decode(self.buffer).map_err(broken)?;
            let mut used = self.buffer.split_to(used);
            match event {
                Event::Data(range) => {
                    used.truncate(range.end);
                    let data = self.guard.data(used.split_off(range.start).freeze());
                    let data = data.map_err(Unreceived::Bad)?;
                    self.pass(&data).await?;
                }
                Event::End(trailers) => return Ok(trailers),
                Event::More if !used.is_empty() => {}
                Event::More => {
                    // What is there goes up before the wait: events of a stream must not be late.
                    self.writer.flush().await.map_err(|_| Unreceived::Lane)?;
                    match self.fill().await {
                        Ok(0) if decoder.ends_with_connection() => return Ok(Fields::default()),
                        Ok(n) if n > 0 => {}
                        // The gateway is told by the lane's end: the client must see that something is missing.
                        _ => return Err(Unreceived::Lane),
                    }
                }
            }
        }
    }

    async fn pass(&mut self, data: &[u8]) -> Result<(), Unreceived> {
        self.writer.data(data).await.map_err(|_| Unreceived::Lane)
    }
}

fn bad(request: &RequestHead, why: &str) -> Unreceived {
    Unreceived::Bad(Denial::new(
        502,
        format!("{} does not answer in HTTP: {why}", request.destination),
    ))
}
