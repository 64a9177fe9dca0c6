//! One exchange: a request's body goes down a lane, a response comes up, both at once.

use bytes::Bytes;
use fumehood_http::{Denial, Fields, FrameKind, ResponseHead};
use fumehood_lane::{Incoming, Lane, LaneReader, LaneWriter};
use fumehood_monitor::FlowId;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// Where a request's body comes from.
pub(crate) trait Source: Send {
    /// The next bytes; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Stop>> + Send;

    /// The trailer fields, after the end.
    fn trailers(&mut self) -> impl Future<Output = Fields> + Send;

    /// Returns when the client has gone away, after the end.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// Where a response goes.
pub(crate) trait Sink: Send {
    /// An interim response.
    fn interim(&mut self, head: ResponseHead) -> impl Future<Output = Result<(), Gone>> + Send;

    /// The head.
    fn head(&mut self, head: ResponseHead) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Bytes of the body.
    fn data(&mut self, data: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;

    /// What was given so far goes out: nothing more is there at the moment.
    fn flush(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;

    /// The end.
    fn end(&mut self, trailers: Option<Fields>) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Returns when the client has said that it does not want the response any more.
    fn unwanted(&mut self) -> impl Future<Output = ()> + Send;

    /// The response breaks off: the client must not take what it has for the whole.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

/// The client is gone, or what it sends is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Why a body ends before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The client is gone, or what it sends is no body.
    Gone,
    /// What it holds is not to be sent.
    Denied(Denial),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Stop::Gone
    }
}

/// Why nothing more goes down a lane.
enum Unsent {
    /// The client is gone: nobody waits for the response.
    Nobody,
    /// The broker takes no more. It may have answered already, before the request has ended.
    Lane,
    Denied(Denial),
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Self {
        Unsent::Lane
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The request's body was passed on to its end.
    pub(crate) sent_whole: bool,
    /// The response reached the client to its end.
    pub(crate) received_whole: bool,
    /// The lane may carry another exchange.
    pub(crate) lane: bool,
}

const BROKEN: Outcome = Outcome {
    sent_whole: false,
    received_whole: false,
    lane: false,
};

/// Runs one exchange. `shown` is what was read of the body before.
pub(crate) async fn run(
    lane: &mut Lane,
    exchange: FlowId,
    shown: Option<Bytes>,
    source: &mut impl Source,
    sink: &mut impl Sink,
) -> Outcome {
    lane.writer.put(FrameKind::Begin, &exchange.to_be_bytes());
    let sent = AtomicBool::new(false);
    let up = async {
        match upload(&mut lane.writer, shown, source, &sent).await {
            // What is in the lane is read to its end, which says how it ends.
            Err(Unsent::Lane) => std::future::pending().await,
            Err(unsent) => return unsent,
            Ok(()) => source.gone().await,
        }
        Unsent::Nobody
    };
    let mut begun = false;
    let ended = tokio::select! {
        unsent = up => Err(unsent),
        ended = download(&mut lane.reader, sink, &mut begun) => Ok(ended),
    };
    let ended = match ended {
        Ok(ended) => ended,
        // The lane is not used again, and so the broker breaks off what it has begun to send.
        Err(Unsent::Denied(denial)) if !begun => {
            let _gone = answer(sink, &denial).await;
            return BROKEN;
        }
        Err(_) => {
            sink.abort().await;
            return BROKEN;
        }
    };
    let sent_whole = sent.into_inner();
    match ended {
        Ok(Download::Whole) => Outcome {
            sent_whole,
            received_whole: true,
            lane: sent_whole,
        },
        // Where the lane broke off the client has not been told yet.
        Err(Broken::Lane) | Ok(Download::Cut) => {
            sink.abort().await;
            Outcome {
                lane: sent_whole && ended.is_ok(),
                ..BROKEN
            }
        }
        Err(Broken::Client) => BROKEN,
    }
}

/// Passes a body on. One that breaks off is told to the broker, whose answer then still comes.
async fn upload(
    writer: &mut LaneWriter,
    shown: Option<Bytes>,
    source: &mut impl Source,
    sent: &AtomicBool,
) -> Result<(), Unsent> {
    if let Some(shown) = shown {
        writer.data(&shown).await?;
    }
    loop {
        let next = {
            let mut next = pin!(source.next());
            // What is there already goes in one piece with what was put; else that goes alone.
            match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    writer.flush().await?;
                    next.await
                }
            }
        };
        match next {
            Ok(Some(data)) => writer.data(&data).await?,
            Ok(None) => break,
            Err(Stop::Gone) => return Ok(writer.send(FrameKind::Abort, b"").await?),
            Err(Stop::Denied(denial)) => return Err(Unsent::Denied(denial)),
        }
    }
    let trailers = source.trailers().await;
    if !trailers.is_empty() {
        let head = ResponseHead {
            status: 100,
            fields: trailers,
            body: fumehood_http::Length::Empty,
        };
        writer.put(FrameKind::Trailers, &head.encode());
    }
    writer.send(FrameKind::End, b"").await?;
    sent.store(true, Ordering::Relaxed);
    Ok(())
}

enum Download {
    Whole,
    Cut,
}

enum Broken {
    Lane,
    Client,
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Broken::Client
    }
}

async fn download(
    reader: &mut LaneReader,
    sink: &mut impl Sink,
    begun: &mut bool,
) -> Result<Download, Broken> {
    let mut trailers = None;
    loop {
        if !reader.is_ready() {
            sink.flush().await?;
        }
        let next = tokio::select! {
            next = reader.next() => next,
            () = sink.unwanted() => return Err(Broken::Client),
        };
        let Incoming { kind, payload } = next.map_err(|_| Broken::Lane)?;
        let head = || ResponseHead::decode(&payload).map_err(|_| Broken::Lane);
        match kind {
            FrameKind::Interim => sink.interim(head()?).await?,
            FrameKind::Head => {
                *begun = true;
                sink.head(head()?).await?;
            }
            FrameKind::Data => sink.data(payload).await?,
            FrameKind::Trailers => trailers = Some(head()?.fields),
            FrameKind::End => {
                sink.end(trailers).await?;
                sink.flush().await?;
                return Ok(Download::Whole);
            }
            FrameKind::Refused => {
                let denial = Denial::decode(&payload).map_err(|_| Broken::Lane)?;
                answer(sink, &denial).await?;
                return Ok(Download::Whole);
            }
            FrameKind::Abort => return Ok(Download::Cut),
            FrameKind::Begin => return Err(Broken::Lane),
        }
    }
}

/// Answers a request that is not sent.
pub(crate) async fn answer(sink: &mut impl Sink, denial: &Denial) -> Result<(), Gone> {
    let body = Bytes::from(denial.body());
    say(sink, denial.head(body.len()), body).await
}

/// Answers in the place of the server.
pub(crate) async fn say(sink: &mut impl Sink, head: ResponseHead, body: Bytes) -> Result<(), Gone> {
    sink.head(head).await?;
    sink.data(body).await?;
    sink.end(None).await?;
    sink.flush().await
}
