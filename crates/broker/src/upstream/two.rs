//! An exchange over HTTP/2.

use super::custody::{Guards, Incoming, Outgoing};
use super::serve::Ended;
use super::up::{Piece, Up};
use bytes::Bytes;
use fumehood_http::{BadField, Denial, FrameKind, Length, RequestHead, ResponseHead};
use fumehood_lane::two::{self, StreamError};
use fumehood_lane::{Lane, LaneReader, LaneWriter};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs one exchange.
pub(crate) async fn run(
    lane: &mut Lane,
    head: &RequestHead,
    mut connection: SendRequest<Bytes>,
    up: &mut Up,
    guards: Guards,
) -> Result<Ended, Denial> {
    let unsayable = |why: BadField| Denial::new(400, format!("the request cannot be sent in HTTP/2: {why}"));
    let request = two::write_request(head).map_err(unsayable)?;
    let is_empty = head.body == Length::Empty;
    let Ok((response, stream)) = connection.send_request(request, is_empty) else {
        return Ok(Ended::Unseen);
    };
    let Guards {
        outgoing, incoming, ..
    } = guards;
    let (begun, sent_whole) = (AtomicBool::new(false), AtomicBool::new(false));
    let sending = async {
        match send(stream, is_empty, up, &mut lane.reader, outgoing).await {
            Ok(()) => sent_whole.store(true, Ordering::Relaxed),
            // The server may have answered already, and that is what counts.
            Err(Unsent::Server) => std::future::pending().await,
            Err(why) => return why,
        }
        lane.reader.gone().await;
        Unsent::Lane
    };
    let received = tokio::select! {
        unsent = sending => Err(unsent),
        received = receive(response, head, &mut lane.writer, incoming, &begun) => Ok(received),
    };
    let begun = begun.into_inner();
    match received {
        Err(Unsent::Denied(denial)) if !begun => Err(denial),
        Err(Unsent::Cut) if !begun => Err(Denial::new(400, "the request's body broke off")),
        Ok(Err(Unreceived::Bad(denial))) if !begun => Err(denial),
        Ok(Err(Unreceived::Server(error))) if !begun => never_seen(head, error),
        Ok(Ok(())) if sent_whole.into_inner() => Ok(Ended::Whole),
        _ => Ok(Ended::Broken),
    }
}

/// Before a head came back: whether the server can have seen the request (RFC 9113 §8.7). A connection that is gone
/// says nothing about it.
fn never_seen(head: &RequestHead, error: h2::Error) -> Result<Ended, Denial> {
    if error.reason() == Some(Reason::REFUSED_STREAM) {
        return Ok(Ended::Unseen);
    }
    // Also a connection that the server said it ends: streams that it had seen hear the same.
    if error.is_io() || error.is_go_away() {
        return Ok(Ended::Stale);
    }
    Err(Denial::new(
        502,
        format!("{} broke the stream off: {error}", head.destination),
    ))
}

enum Unsent {
    Lane,
    Cut,
    Server,
    Denied(Denial),
}

impl From<StreamError> for Unsent {
    fn from(_: StreamError) -> Self {
        Unsent::Server
    }
}

async fn send(
    mut stream: SendStream<Bytes>,
    is_empty: bool,
    up: &mut Up,
    reader: &mut LaneReader,
    mut guard: Box<dyn Outgoing>,
) -> Result<(), Unsent> {
    loop {
        match up.next(reader).await {
            // The stream has ended with its head.
            Piece::Data(_) if is_empty => return Err(Unsent::Cut),
            Piece::End(_) if is_empty => return Ok(()),
            Piece::Data(data) => {
                let data = guard.data(data).map_err(Unsent::Denied)?;
                two::send(&mut stream, data).await?;
            }
            Piece::End(trailers) => {
                let rest = guard.end().map_err(Unsent::Denied)?;
                two::send(&mut stream, rest).await?;
                return Ok(two::end(&mut stream, Some(&trailers))?);
            }
            Piece::Cut => {
                stream.send_reset(Reason::CANCEL);
                return Err(Unsent::Cut);
            }
            Piece::Gone => return Err(Unsent::Lane),
        }
    }
}

enum Unreceived {
    Lane,
    Server(h2::Error),
    Bad(Denial),
}

impl From<std::io::Error> for Unreceived {
    fn from(_: std::io::Error) -> Self {
        Unreceived::Lane
    }
}

async fn receive(
    response: ResponseFuture,
    request: &RequestHead,
    writer: &mut LaneWriter,
    mut guard: Box<dyn Incoming>,
    begun: &AtomicBool,
) -> Result<(), Unreceived> {
    let response = response.await.map_err(Unreceived::Server)?;
    let has_ended = response.body().is_end_stream();
    let bad = |why| Unreceived::Bad(Denial::new(502, format!("{}: {why}", request.destination)));
    let mut head = two::read_response(&response, &request.method, has_ended).map_err(bad)?;
    guard.head(&mut head).map_err(Unreceived::Bad)?;
    writer.put(FrameKind::Head, &head.encode());
    begun.store(true, Ordering::Relaxed);
    let mut body = response.into_body();
    let mut wanted = match head.body {
        Length::Known(bytes) if request.method != "HEAD" => Some(bytes),
        _ => None,
    };
    let mut early = false;
    if !has_ended {
        writer.flush().await?;
        loop {
            let data = match two::next(&mut body).await {
                Ok(Some(data)) => data,
                Ok(None) => break,
                Err(error) if is_early(&error) && wanted.is_none_or(|left| left == 0) => {
                    early = true;
                    break;
                }
                Err(error) => return Err(server(error)),
            };
            let length = data.len();
            wanted = wanted.map(|left| left.saturating_sub(length as u64));
            let data = guard.data(data).map_err(Unreceived::Bad)?;
            writer.data(&data).await?;
            writer.flush().await?;
            two::passed_on(&mut body, length);
        }
    }
    let rest = guard.end().map_err(Unreceived::Bad)?;
    writer.data(&rest).await?;
    let trailers = match body.trailers().await {
        Ok(trailers) => trailers,
        Err(_) if early => None,
        Err(error) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) => None,
        Err(error) => return Err(Unreceived::Server(error)),
    };
    if let Some(map) = trailers {
        let mut fields = two::read_trailers(&map);
        guard.trailers(&mut fields);
        let head = ResponseHead {
            status: 100,
            fields,
            body: Length::Empty,
        };
        writer.put(FrameKind::Trailers, &head.encode());
    }
    Ok(writer.send(FrameKind::End, b"").await?)
}

/// A server that has answered in full may say that it does not want the rest of the request (RFC 9113 §8.1).
fn is_early(error: &StreamError) -> bool {
    matches!(error, StreamError::Reset(error) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR))
}

fn server(error: StreamError) -> Unreceived {
    match error {
        StreamError::Reset(error) => Unreceived::Server(error),
        StreamError::Field(_) => Unreceived::Lane,
    }
}
